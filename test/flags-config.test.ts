import { describe, expect, test } from "vitest";
import { parseFlagsConfig } from "../src/flags-config.ts";
import { makeToken } from "../src/flags-token.ts";
import { ConfigError } from "../src/settings.ts";

test("parseFlagsConfig() without anything lets nobody in without a token, on flagd's ports", () => {
  expect(parseFlagsConfig([], {})).toEqual({
    namespaces: [],
    "log-level": "info",
    "log-format": "json",
    "ofrep-bind-address": ":8016",
    "evaluation-bind-address": ":8013",
    "sync-bind-address": ":8015",
    "management-bind-address": ":8014",
    "default-flag-set": "default",
    anonymous: "off",
    "token-audience": "zenith-flags",
    "cors-allowed-origins": ["*"],
    "max-streams": 10_000,
    "drain-seconds": 5,
  });
});

describe("parseFlagsConfig() refuses", () => {
  const table: Record<string, { given: string[]; expect: string }> = {
    "another policy": { given: ["--anonymous=yes"], expect: "--anonymous must be off, client, server" },
    "an origin with a path": {
      given: ["--cors-allowed-origins=https://shop.example/a"],
      expect: "--cors-allowed-origins must be * or origins such as https://shop.example",
    },
    "a set that no namespace begins": {
      given: ["--default-flag-set=/web"],
      expect: "--default-flag-set must be the name",
    },
    "the operator's flags": { given: ["--leader-elect=false"], expect: "unknown option" },
  };
  test.each(Object.entries(table))("%s", (_, { given, expect: wanted }) =>
    expect(() => parseFlagsConfig(given, {})).toThrow(wanted),
  );
});

test("zenith flags token says what it needs", async () => {
  await expect(makeToken([], {}, 0)).rejects.toThrow(ConfigError);
  await expect(makeToken([], {}, 0)).rejects.toThrow("--client-token-key-file is needed\n--flag-set is needed");
  await expect(makeToken(["--flag-set=a", "--client-token-key-file=k", "--expires-in=soon"], {}, 0)).rejects.toThrow(
    '--expires-in must be one integer and s, m, h or d, at most 365d (got "soon" from the flag)',
  );
});
