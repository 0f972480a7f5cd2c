import { generateKeyPairSync, type KeyObject, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLocalJWKSet, exportJWK, SignJWT } from "jose";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FakeClock, systemClock } from "../../../src/kube/clock.ts";
import { type Access, isRefusal } from "../../../src/serving/access.ts";
import { Authorizer, type AuthorizerParts } from "../../../src/serving/tokens/authorizer.ts";
import { ClientKeys } from "../../../src/serving/tokens/client-keys.ts";
import { signClientToken } from "../../../src/serving/tokens/client-token.ts";
import { KeySet } from "../../../src/serving/tokens/key-set.ts";

const ISSUER = "https://kubernetes.default.svc";
const DAY_MS = 24 * 3_600_000;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "zenith-tokens-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

async function aKey(kid: string) {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return { kid, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg: "RS256", use: "sig" } };
}

interface Claims {
  readonly namespace?: string;
  readonly audience?: string;
  readonly issuer?: string;
  readonly subject?: string;
  readonly lifetimeS?: number;
}

function aToken({ kid, privateKey }: { kid: string; privateKey: KeyObject }, nowMs: number, claims: Claims = {}) {
  const { namespace = "shop", audience = "zenith-flags", issuer = ISSUER, lifetimeS = 3_600 } = claims;
  return new SignJWT({ "kubernetes.io": { namespace, serviceaccount: { name: "web", uid: "1" } } })
    .setProtectedHeader({ alg: "RS256", kid })
    .setIssuer(issuer)
    .setAudience(audience)
    .setSubject(claims.subject ?? `system:serviceaccount:${namespace}:web`)
    .setExpirationTime(Math.floor(nowMs / 1_000) + lifetimeS)
    .sign(privateKey);
}

async function aDoor(more: Partial<AuthorizerParts> = {}) {
  const clock = new FakeClock();
  const key = await aKey("one");
  const keys = { keys: [key.jwk] };
  const keySet = { known: { issuer: ISSUER, keys, find: createLocalJWKSet(keys as never) }, asked: 0 };
  const clientKey = randomBytes(32);
  const door = new Authorizer({
    keySet: { ...keySet, refreshForUnknown: async () => void keySet.asked++ } as never,
    clientKeys: { get: () => [clientKey] },
    audience: "zenith-flags",
    anonymous: "off",
    defaultFlagSet: "default",
    isServerAway: () => false,
    clock,
    ...more,
  });
  const decide = async (token?: string) =>
    await door.authorize(token === undefined ? {} : { authorization: `Bearer ${token}` });
  const refusal = async (token?: string) => {
    const decision = await decide(token);
    return isRefusal(decision) ? `${decision.status} ${decision.message}` : "let in";
  };
  return { clock, key, keySet, clientKey, door, decide, refusal };
}

describe("a ServiceAccount's token", () => {
  test("lets into the flag sets of its namespace, and into no other", async () => {
    const { decide, clock, key } = await aDoor();
    const access = (await decide(await aToken(key, clock.now()))) as Access;
    expect(access).toMatchObject({ viewer: "server", flagSet: "shop" });
    expect(["shop", "shop/web", "shopping", "pay", "shop-x/web"].map((set) => access.mayUse(set))).toEqual([
      true,
      true,
      false,
      false,
      false,
    ]);
  });

  test("is taken as an API key too", async () => {
    const { door, clock, key } = await aDoor();
    expect(await door.authorize({ "x-api-key": await aToken(key, clock.now()) })).toMatchObject({ flagSet: "shop" });
  });

  test.each<[string, Claims, string]>([
    ["for another audience", { audience: "vault" }, '401 The token\'s claim "aud" is not what it must be'],
    ["of another cluster", { issuer: "https://other" }, '401 The token\'s claim "iss" is not what it must be'],
    ["that has expired", { lifetimeS: -60 }, "401 The token has expired"],
    ["of a user", { subject: "ann" }, "401 The token is not a ServiceAccount's"],
    [
      "of another namespace's account",
      { subject: "system:serviceaccount:pay:web" },
      "401 The token is not a ServiceAccount's",
    ],
  ])("%s is refused", async (_, claims, expected) => {
    const { refusal, clock, key } = await aDoor();
    expect(await refusal(await aToken(key, clock.now(), claims))).toBe(expected);
  });

  test("with a signature of another key is refused, whatever key it names", async () => {
    const { refusal, clock, keySet } = await aDoor();
    const other = await aKey("other");
    expect(await refusal(await aToken(other, clock.now()))).toBe(
      "401 The token is signed with a key that is not known here",
    );
    expect(keySet.asked).toBe(1);
    expect(await refusal(await aToken({ ...other, kid: "one" }, clock.now()))).toBe("401 The token is not good");
  });

  test("that is none, or that says it needs no signature, is refused", async () => {
    const { refusal } = await aDoor();
    const none = `${Buffer.from('{"alg":"none"}').toString("base64url")}.${Buffer.from('{"sub":"x"}').toString("base64url")}.`;
    for (const token of ["x", "a.b.c", none, "x".repeat(10_000)])
      expect(await refusal(token)).toBe("401 The token is not good");
    expect(await refusal()).toBe("401 A token is needed, as Authorization: Bearer <token> or X-API-Key");
  });

  test("signed with the public key as if it were a secret is refused", async () => {
    const { refusal, clock, key } = await aDoor();
    const secret = Buffer.from(JSON.stringify(key.jwk));
    const forged = await new SignJWT({ flagSet: "shop" })
      .setProtectedHeader({ alg: "HS256", kid: "one" })
      .setIssuer("zenith")
      .setAudience("zenith-flags-client")
      .setExpirationTime(Math.floor(clock.now() / 1_000) + 60)
      .sign(secret);
    expect(await refusal(forged)).toBe("401 The token is not good");
  });

  test("that expired while the API server is away counts for a day more: nobody can get a new one", async () => {
    let isAway = true;
    const { refusal, clock, key } = await aDoor({ isServerAway: () => isAway });
    const token = await aToken(key, clock.now());
    clock.jump(23 * 3_600_000);
    expect(await refusal(token)).toBe("let in");
    isAway = false;
    clock.jump(60_000);
    expect(await refusal(token)).toBe("401 The token has expired");
    isAway = true;
    clock.jump(DAY_MS);
    expect(await refusal(token)).toBe("401 The token has expired");
  });

  test("is verified once a minute, not for each request", async () => {
    const { decide, clock, key } = await aDoor();
    const token = await aToken(key, clock.now());
    const first = await decide(token);
    expect(await decide(token)).toBe(first);
    clock.jump(61_000);
    expect(await decide(token)).not.toBe(first);
  });
});

describe("a browser's token", () => {
  test("shows what browsers may see of its flag set", async () => {
    const { decide, clock, clientKey } = await aDoor();
    const access = (await decide(await signClientToken(clientKey, "shop/web", clock.now(), DAY_MS))) as Access;
    expect(access).toMatchObject({ viewer: "client", flagSet: "shop/web" });
    expect([access.mayUse("shop/web"), access.mayUse("shop"), access.mayUse("pay")]).toEqual([true, false, false]);
  });

  test("is refused once it has expired, and with another key", async () => {
    const { refusal, clock, clientKey } = await aDoor();
    const token = await signClientToken(clientKey, "shop", clock.now(), 60_000);
    clock.jump(120_000);
    expect(await refusal(token)).toBe("401 The token has expired");
    expect(await refusal(await signClientToken(randomBytes(32), "shop", clock.now(), 60_000))).toBe(
      "401 The token is not good",
    );
  });

  test("of a key that is being replaced is good until the key is gone", async () => {
    const [old, next] = [randomBytes(32), randomBytes(32)];
    const { refusal, clock } = await aDoor({ clientKeys: { get: () => [next, old] } });
    expect(await refusal(await signClientToken(old, "shop", clock.now(), 60_000))).toBe("let in");
    expect(await refusal(await signClientToken(next, "shop", clock.now(), 60_000))).toBe("let in");
  });

  test("is refused where there are no keys", async () => {
    const { refusal, clock, clientKey } = await aDoor({ clientKeys: { get: () => [] } });
    expect(await refusal(await signClientToken(clientKey, "shop", clock.now(), 60_000))).toBe(
      "401 The token is not good",
    );
  });
});

test("without a token one sees what is set for all, and a bad token is refused all the same", async () => {
  const { decide, refusal } = await aDoor({ anonymous: "client" });
  expect(await decide()).toMatchObject({ viewer: "client", flagSet: "default" });
  expect(await refusal("x")).toBe("401 The token is not good");
});

describe("ClientKeys", () => {
  test("are read again when the file changes, and stay as they are while it is damaged", async () => {
    const clock = new FakeClock();
    const file = join(folder, "keys");
    const [one, two] = ["a".repeat(40), "b".repeat(40)];
    writeFileSync(file, `${one}\n`);
    const keys = new ClientKeys(file, clock);
    expect(keys.get().map(String)).toEqual([one]);
    writeFileSync(file, `${two}\n\n${one}\n`);
    await clock.advance(6_000);
    expect(keys.get().map(String)).toEqual([two, one]);
    writeFileSync(file, "short");
    await clock.advance(6_000);
    expect(keys.get().map(String)).toEqual([two, one]);
  });

  test("that are too short to be worth anything end the start, with what to do and without showing them", () => {
    const file = join(folder, "keys");
    writeFileSync(file, "hunter2");
    expect(() => new ClientKeys(file, systemClock)).toThrow(/at least 32 characters.*openssl rand -base64 48/);
    expect(() => new ClientKeys(file, systemClock)).not.toThrow(/hunter2/);
    expect(() => new ClientKeys(join(folder, "none"), systemClock)).toThrow("there is no such file");
  });
});

describe("KeySet", () => {
  async function aCluster() {
    const key = await aKey("one");
    const state = { isAway: false, asked: 0 };
    const client = {
      request: async ({ path }: { path: string }) => {
        state.asked++;
        if (state.isAway) throw new Error("connect ECONNREFUSED");
        return path === "/openid/v1/jwks" ? { keys: [key.jwk] } : { issuer: ISSUER };
      },
    };
    return { key, state, client: client as never };
  }
  const log = pino({ level: "silent" });

  test("is kept beside the snapshot, and lets in with the API server away", async () => {
    const { key, state, client } = await aCluster();
    const options = { client, clock: systemClock, log, file: join(folder, "keys.json") };
    await new KeySet(options).refresh();
    state.isAway = true;
    const stop = new AbortController();
    const next = new KeySet(options);
    const running = next.run(stop.signal);
    for (let i = 0; i < 100 && next.known === undefined; i++) await new Promise((resolve) => setTimeout(resolve, 10));
    const { decide } = await aDoor({ keySet: next, clock: systemClock });
    expect(await decide(await aToken(key, Date.now()))).toMatchObject({ flagSet: "shop" });
    stop.abort();
    await running;
  });

  test("is not asked for again at once for each token whose key is not known", async () => {
    const { state, client } = await aCluster();
    const clock = new FakeClock();
    const keySet = new KeySet({ client, clock, log, file: undefined });
    for (let i = 0; i < 10; i++) await keySet.refreshForUnknown();
    expect(state.asked).toBe(2); // The issuer, and its keys.
    await clock.advance(31_000);
    await keySet.refreshForUnknown();
    expect(state.asked).toBe(4);
  });
});
