import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";

/**
 * Certificates for tests, made of what Node has: it signs, and the little DER that an X.509 certificate takes is here.
 */

export interface Issued {
  /** PEM. */
  readonly cert: string;
  readonly key: string;
}

export interface Authority extends Issued {
  /** A certificate for 127.0.0.1, good for servers and clients, by default valid now and for a day. */
  issue(name: string, validity?: { readonly fromMs?: number; readonly untilMs?: number }): Issued;
}

const DAY_MS = 86_400_000;

export function authority(name: string): Authority {
  const own = generateKeyPairSync("ed25519");
  const pem = (key: KeyObject) => key.export({ type: "pkcs8", format: "pem" }).toString();
  const issue = (subject: string, publicKey: KeyObject, fromMs: number, untilMs: number, extensions: Buffer): string =>
    certificate({ issuer: name, subject, publicKey, fromMs, untilMs, extensions, signer: own.privateKey });
  const now = Date.now();
  return {
    cert: issue(name, own.publicKey, now - DAY_MS, now + DAY_MS, IS_AUTHORITY),
    key: pem(own.privateKey),
    issue: (subject, { fromMs = now - DAY_MS, untilMs = now + DAY_MS } = {}) => {
      const { publicKey, privateKey } = generateKeyPairSync("ed25519");
      return { cert: issue(subject, publicKey, fromMs, untilMs, IS_LOCALHOST), key: pem(privateKey) };
    },
  };
}

interface Content {
  readonly issuer: string;
  readonly subject: string;
  readonly publicKey: KeyObject;
  readonly fromMs: number;
  readonly untilMs: number;
  readonly extensions: Buffer;
  readonly signer: KeyObject;
}

let serial = 0;

/** RFC 5280, section 4.1. */
function certificate({ issuer, subject, publicKey, fromMs, untilMs, extensions, signer }: Content): string {
  const content = sequence(
    der(0xa0, der(0x02, Buffer.of(2))), // Version 3.
    der(0x02, Buffer.of(++serial)),
    ED25519,
    nameOf(issuer),
    sequence(timeOf(fromMs), timeOf(untilMs)),
    nameOf(subject),
    publicKey.export({ type: "spki", format: "der" }),
    der(0xa3, sequence(extensions)),
  );
  const signature = der(0x03, Buffer.of(0), sign(null, content, signer));
  const lines =
    sequence(content, ED25519, signature)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
}

function nameOf(commonName: string): Buffer {
  return sequence(der(0x31, sequence(oid("550403"), der(0x0c, Buffer.from(commonName)))));
}

function timeOf(ms: number): Buffer {
  return der(0x18, Buffer.from(new Date(ms).toISOString().replaceAll(/[-:T]|\.\d+/g, "")));
}

function sequence(...parts: Buffer[]): Buffer {
  return der(0x30, ...parts);
}

function oid(hex: string): Buffer {
  return der(0x06, Buffer.from(hex, "hex"));
}

function der(tag: number, ...parts: Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.of(tag, ...size), content]);
}

const ED25519 = sequence(oid("2b6570"));
const TRUE = der(0x01, Buffer.of(255));
/** `basicConstraints`, critical: CA. */
const IS_AUTHORITY = sequence(oid("551d13"), TRUE, der(0x04, sequence(TRUE)));
/** `subjectAltName`: an IP address. */
const IS_LOCALHOST = sequence(oid("551d11"), der(0x04, sequence(der(0x87, Buffer.of(127, 0, 0, 1)))));
