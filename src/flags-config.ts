import * as z from "zod";
import {
  address,
  common,
  count,
  type Environment,
  oneOf,
  origins,
  path,
  type Role,
  readSettings,
  refusing,
  text,
} from "./settings.ts";

export const flagSet = text.regex(
  /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\/[A-Za-z0-9][-A-Za-z0-9_.]*)*$/,
  refusing("the name of a flag set: a namespace, or a path that begins with one"),
);
/** What the flag server is told. */
const schema = z.strictObject({
  ...common,
  "ofrep-bind-address": address.default(":8016").describe("where OFREP is served; 0: nowhere"),
  "evaluation-bind-address": address
    .default(":8013")
    .describe("where flagd's evaluation is served, by gRPC and Connect; 0: nowhere"),
  "sync-bind-address": address.default(":8015").describe("where flagd's sync is served, by gRPC; 0: nowhere"),
  "management-bind-address": address
    .default(":8014")
    .describe("where /healthz, /readyz, /metrics, /delivery and gRPC health are served; 0: nowhere"),
  "default-flag-set": flagSet.default("default").describe("flag set of a request that names none"),
  "snapshot-dir": path
    .optional()
    .describe("folder for what is served and who is let in while the API server is away; none: nothing is kept"),
  anonymous: oneOf("off", "client", "server")
    .default("off")
    .describe("what OFREP shows without a token: off: nothing, client: flags for browsers, server: all"),
  "token-audience": text.default("zenith-flags").describe("audience of ServiceAccount tokens that are let in"),
  "client-token-key-file": path
    .optional()
    .describe("keys of tokens for browsers, one a line, the first signs; re-read; none: no browser is let in by token"),
  "cors-allowed-origins": origins
    .default(["*"])
    .describe("origins of pages that may read answers, separated by commas"),
  "max-streams": count(100_000).default(10_000).describe("clients that are told of changes at once, of each kind"),
  "drain-seconds": count(60).default(5).describe("over how long clients are sent away at the end, 1 to 60"),
});

export type FlagsConfig = z.output<typeof schema>;

export const flagsRole: Role<typeof schema> = {
  name: "flags",
  description: "Watches FeatureFlags and serves them to OpenFeature SDKs.",
  schema,
};

/** Reads the settings of `zenith flags`; see `readSettings`.
 * @example parseFlagsConfig(["--anonymous=client"], { ZENITH_LOG_LEVEL: "debug" }) */
export function parseFlagsConfig(
  args: readonly string[],
  environment: Environment,
  read?: (path: string) => string,
): FlagsConfig {
  return readSettings(flagsRole, args, environment, read);
}
