import * as z from "zod";
import { parseDurationMs } from "./api/units.ts";
import { flagSet } from "./flags-config.ts";
import { readKeys } from "./serving/tokens/client-keys.ts";
import { signClientToken } from "./serving/tokens/client-token.ts";
import { type Environment, path, type Role, readSettings, refusing, text } from "./settings.ts";

/** What `zenith flags token` is told. */
const schema = z.strictObject({
  "client-token-key-file": path.describe(
    "the file that flag servers have as --client-token-key-file; its first key signs",
  ),
  "flag-set": flagSet.describe("flag set that the token is for, those below it included"),
  "expires-in": text
    .refine(isDuration, refusing("one integer and s, m, h or d, at most 365d"))
    .default("90d")
    .describe("how long it is good"),
});

function isDuration(value: string): boolean {
  try {
    return parseDurationMs(value) > 0;
  } catch {
    return false;
  }
}

const role: Role<typeof schema> = {
  name: "flags token",
  description: "Prints a token for browsers: it shows flags whose visibility is client, of one flag set.",
  schema,
};

/** Makes a token for browsers.
 * @throws ConfigError, or Error with a sentence where the keys cannot be read */
export async function makeToken(args: readonly string[], environment: Environment, nowMs: number): Promise<string> {
  const values = readSettings(role, args, environment);
  const [key] = readKeys(values["client-token-key-file"]);
  return await signClientToken(key as Buffer, values["flag-set"], nowMs, parseDurationMs(values["expires-in"]));
}
