import { createHash } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { decodeProtectedHeader, errors, jwtVerify } from "jose";
import type { Clock } from "../../kube/clock.ts";
import type { Access, Authorize, Refusal } from "../access.ts";
import type { ClientKeys } from "./client-keys.ts";
import { verifyClientToken } from "./client-token.ts";
import type { KeySet } from "./key-set.ts";

export interface AuthorizerParts {
  readonly keySet: Pick<KeySet, "known" | "refreshForUnknown">;
  readonly clientKeys: Pick<ClientKeys, "get">;
  readonly audience: string;
  /** What is shown without a token. */
  readonly anonymous: "off" | "client" | "server";
  readonly defaultFlagSet: string;
  /** Whether the API server is known to be away: then nobody can get a new token. */
  readonly isServerAway: () => boolean;
  readonly clock: Clock;
}

const LONGEST_TOKEN = 8 * 1024;
const MOST_KNOWN = 10_000;
/** Clocks differ; and while the API server is away, a kubelet cannot renew the tokens of its pods. */
const LEEWAY_S = 30;
const LEEWAY_WHILE_AWAY_S = 24 * 3_600;
const ALGORITHMS = ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "EdDSA"];

interface Known {
  readonly access: Access;
  /** After this it is verified again. */
  readonly untilMs: number;
}

/** Says who is let in, by a token that is verified here: the API server is not asked for each, and need not be there. */
export class Authorizer {
  readonly #parts: AuthorizerParts;
  /** By hash of the token: a token in memory could be used. */
  readonly #known = new Map<string, Known>();

  constructor(parts: AuthorizerParts) {
    this.#parts = parts;
  }

  readonly authorize: Authorize = (headers) => {
    const token = tokenOf(headers);
    if (token === undefined) return this.#anonymous();
    const hash = createHash("sha256").update(token).digest("base64");
    const known = this.#known.get(hash);
    if (known !== undefined && known.untilMs > this.#parts.clock.now()) return known.access;
    this.#known.delete(hash);
    return this.#verify(token, hash);
  };

  #anonymous(): Access | Refusal {
    const { anonymous, defaultFlagSet } = this.#parts;
    if (anonymous === "off")
      return { status: 401, message: "A token is needed, as Authorization: Bearer <token> or X-API-Key" };
    return { viewer: anonymous, flagSet: defaultFlagSet, mayUse: () => true };
  }

  async #verify(token: string, hash: string): Promise<Access | Refusal> {
    try {
      const { access, expiresMs } = isSymmetric(token) ? await this.#browser(token) : await this.#workload(token);
      const nowMs = this.#parts.clock.now();
      // Looked at again within a minute, so that a key that was withdrawn counts, and an API server that is back.
      this.#remember(hash, { access, untilMs: Math.min(nowMs + 60_000, Math.max(expiresMs, nowMs + 1_000)) });
      return access;
    } catch (error) {
      return { status: 401, message: reasonOf(error) };
    }
  }

  async #browser(token: string): Promise<{ access: Access; expiresMs: number }> {
    let failure: unknown = new errors.JWSSignatureVerificationFailed();
    for (const key of this.#parts.clientKeys.get()) {
      try {
        const { flagSet, expiresMs } = await verifyClientToken(key, token, this.#parts.clock.now());
        return { access: accessTo("client", flagSet), expiresMs };
      } catch (error) {
        failure = error;
        if (!(error instanceof errors.JWSSignatureVerificationFailed)) break;
      }
    }
    throw failure;
  }

  async #workload(token: string): Promise<{ access: Access; expiresMs: number }> {
    try {
      return await this.#workloadByKnownKeys(token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      await this.#parts.keySet.refreshForUnknown();
      return await this.#workloadByKnownKeys(token);
    }
  }

  async #workloadByKnownKeys(token: string): Promise<{ access: Access; expiresMs: number }> {
    const { keySet, audience, isServerAway, clock } = this.#parts;
    const { known } = keySet;
    if (known === undefined) throw new errors.JWKSNoMatchingKey();
    const { payload } = await jwtVerify(token, known.find, {
      algorithms: ALGORITHMS,
      issuer: known.issuer,
      audience,
      requiredClaims: ["exp", "sub"],
      clockTolerance: isServerAway() ? LEEWAY_WHILE_AWAY_S : LEEWAY_S,
      currentDate: new Date(clock.now()),
    });
    const namespace = namespaceOf(payload);
    if (namespace === undefined) throw new NotAWorkload();
    return { access: accessTo("server", namespace), expiresMs: Number(payload.exp) * 1_000 };
  }

  #remember(hash: string, known: Known): void {
    const oldest = this.#known.size >= MOST_KNOWN ? this.#known.keys().next().value : undefined;
    if (oldest !== undefined) this.#known.delete(oldest);
    this.#known.set(hash, known);
  }
}

class NotAWorkload extends Error {}

/** A namespace's own flag set, and those whose names begin with it. */
function accessTo(viewer: Access["viewer"], flagSet: string): Access {
  return { viewer, flagSet, mayUse: (name) => name === flagSet || name.startsWith(`${flagSet}/`) };
}

function tokenOf(headers: IncomingHttpHeaders): string | undefined {
  const bearer = /^bearer +(\S+) *$/i.exec(headers.authorization ?? "")?.[1];
  const key = headers["x-api-key"];
  return bearer ?? (Array.isArray(key) ? key[0] : key);
}

function isSymmetric(token: string): boolean {
  if (token.length > LONGEST_TOKEN) throw new errors.JWTInvalid();
  return decodeProtectedHeader(token).alg === "HS256";
}

/** Of the claims that Kubernetes puts into a ServiceAccount's token. */
function namespaceOf(payload: Readonly<Record<string, unknown>>): string | undefined {
  const claims = payload["kubernetes.io"] as { namespace?: unknown } | undefined;
  const namespace = claims?.namespace;
  const isAccount = typeof payload.sub === "string" && payload.sub.startsWith(`system:serviceaccount:${namespace}:`);
  return typeof namespace === "string" && isAccount ? namespace : undefined;
}

/** What its bearer can do about it; never what the token holds. */
function reasonOf(error: unknown): string {
  if (error instanceof errors.JWTExpired) return "The token has expired";
  if (error instanceof errors.JWTClaimValidationFailed)
    return `The token's claim "${error.claim}" is not what it must be`;
  if (error instanceof errors.JWKSNoMatchingKey) return "The token is signed with a key that is not known here";
  if (error instanceof NotAWorkload) return "The token is not a ServiceAccount's";
  return "The token is not good";
}
