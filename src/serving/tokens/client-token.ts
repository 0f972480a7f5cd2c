import { jwtVerify, SignJWT } from "jose";

/** Tokens for browsers: signed by us, for one flag set, good for a time. Whoever reads a page's source has it: it opens nothing
 * but flags that are for browsers, and their values. */
const ISSUER = "zenith";
const AUDIENCE = "zenith-flags-client";
const FLAG_SET = "flagSet";

/** @param lifetimeMs how long it is good */
export async function signClientToken(
  key: Buffer,
  flagSet: string,
  nowMs: number,
  lifetimeMs: number,
): Promise<string> {
  const nowS = Math.floor(nowMs / 1_000);
  return await new SignJWT({ [FLAG_SET]: flagSet })
    .setProtectedHeader({ alg: "HS256", typ: "JWT" })
    .setIssuer(ISSUER)
    .setAudience(AUDIENCE)
    .setIssuedAt(nowS)
    .setExpirationTime(nowS + Math.floor(lifetimeMs / 1_000))
    .sign(key);
}

/** The flag set that a token is for, and until when.
 * @throws Error of jose where it is not one of ours, or no longer good */
export async function verifyClientToken(
  key: Buffer,
  token: string,
  nowMs: number,
): Promise<{ flagSet: string; expiresMs: number }> {
  const { payload } = await jwtVerify(token, key, {
    algorithms: ["HS256"],
    issuer: ISSUER,
    audience: AUDIENCE,
    requiredClaims: ["exp", FLAG_SET],
    currentDate: new Date(nowMs),
  });
  return { flagSet: String(payload[FLAG_SET]), expiresMs: Number(payload.exp) * 1_000 };
}
