import { describe, expect, test } from "vitest";
import { ConfigError, parseConfig } from "../src/config.ts";

const files: Record<string, string> = {
  "settings.yaml": "log-level: debug\nnamespaces: [shop, pay]\nmax-concurrent-reconciles: 4\nleader-elect: false\n",
  "empty.yaml": "",
  "list.yaml": "- log-level",
  "typo.yaml": "log-levle: debug",
  "wrong.yaml": "max-concurrent-reconciles: true",
  "broken.yaml": "{",
};

function parse(args: readonly string[], environment: Record<string, string> = {}) {
  return parseConfig(args, environment, (path) => {
    const text = files[path];
    if (text === undefined) throw new Error("ENOENT: no such file");
    return text;
  });
}

function refusal(args: readonly string[], environment: Record<string, string> = {}): string {
  try {
    parse(args, environment);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return "accepted";
}

test("parseConfig() without anything gives the defaults", () => {
  expect(parse([])).toEqual({
    namespaces: [],
    prometheus: {},
    metricsBindAddress: ":8080",
    healthProbeBindAddress: ":8081",
    leaderElect: true,
    leaderElectionNamespace: "zenith-system",
    gates: false,
    maxConcurrentReconciles: 8,
    logLevel: "info",
    logFormat: "json",
  });
});

describe("parseConfig() accepts", () => {
  const url = "--prometheus-url=https://mimir.example/prometheus";
  const table: Record<string, { given: Parameters<typeof parse>; expect: object }> = {
    "a flag with =": { given: [["--log-level=warn"]], expect: { logLevel: "warn" } },
    "a flag with a space": { given: [["--log-level", "warn"]], expect: { logLevel: "warn" } },
    "a boolean that is false": { given: [["--leader-elect=false"]], expect: { leaderElect: false } },
    "a boolean that stands alone": { given: [["--leader-elect"]], expect: { leaderElect: true } },
    "the environment": {
      given: [[], { ZENITH_LEADER_ELECT: "false", ZENITH_MAX_CONCURRENT_RECONCILES: "16" }],
      expect: { leaderElect: false, maxConcurrentReconciles: 16 },
    },
    "a file": {
      given: [["--config", "settings.yaml"]],
      expect: { logLevel: "debug", namespaces: ["shop", "pay"], maxConcurrentReconciles: 4, leaderElect: false },
    },
    "an empty file": { given: [["--config=empty.yaml"]], expect: { logLevel: "info" } },
    "a flag over the environment over the file": {
      given: [["--config=settings.yaml", "--log-level=error"], { ZENITH_LOG_LEVEL: "warn", ZENITH_NAMESPACES: "web" }],
      expect: { logLevel: "error", namespaces: ["web"], maxConcurrentReconciles: 4 },
    },
    "an empty variable as one that is not given": {
      given: [[], { ZENITH_LOG_LEVEL: "" }],
      expect: { logLevel: "info" },
    },
    "variables that are not ours": { given: [[], { ZENITH_SERVICE_HOST: "10.0.0.1" }], expect: { logLevel: "info" } },
    "a list with blanks and repeats": {
      given: [["--namespaces=shop, pay,shop,"]],
      expect: { namespaces: ["shop", "pay"] },
    },
    "0 for an endpoint that is off": { given: [["--metrics-bind-address=0"]], expect: { metricsBindAddress: "0" } },
    "an IPv6 address": { given: [["--metrics-bind-address=[::1]:80"]], expect: { metricsBindAddress: "[::1]:80" } },
    "a Prometheus with its files": {
      given: [[url, "--prometheus-bearer-token-file=/t", "--prometheus-cert-file=/c", "--prometheus-key-file=/k"]],
      expect: {
        prometheus: {
          url: "https://mimir.example/prometheus",
          bearerTokenFile: "/t",
          certFile: "/c",
          keyFile: "/k",
        },
      },
    },
  };
  test.each(Object.entries(table))("%s", (_, { given, expect: wanted }) =>
    expect(parse(...given)).toMatchObject(wanted),
  );
});

describe("parseConfig() refuses, saying flag, value, origin and what is accepted:", () => {
  const table: Record<string, { given: Parameters<typeof parse>; expect: string }> = {
    "a level that does not exist": {
      given: [["--log-level=loud"]],
      expect: '--log-level must be debug, info, warn, error (got "loud" from the flag)',
    },
    "a number out of range, from the environment": {
      given: [[], { ZENITH_MAX_CONCURRENT_RECONCILES: "0" }],
      expect:
        '--max-concurrent-reconciles must be a whole number from 1 to 256 (got "0" from ZENITH_MAX_CONCURRENT_RECONCILES)',
    },
    "a number that is none": { given: [["--max-concurrent-reconciles=8x"]], expect: 'got "8x"' },
    "a boolean for a number, from a file": { given: [["--config=wrong.yaml"]], expect: "got true from wrong.yaml" },
    "a boolean that is neither": { given: [["--leader-elect=yes"]], expect: "--leader-elect must be true or false" },
    "an address without a port": { given: [["--metrics-bind-address=8080"]], expect: "must be host:port or :port" },
    "a port that does not exist": { given: [["--metrics-bind-address=:70000"]], expect: "must be host:port or :port" },
    "a namespace in capitals": { given: [["--namespaces=Shop"]], expect: "must be a namespace's name" },
    "an address of another protocol": {
      given: [["--prometheus-url=ftp://x"]],
      expect: "--prometheus-url must be an http(s)",
    },
    "no address at all": { given: [["--prometheus-url=prometheus:9090"]], expect: "must be an http(s) address" },
    "an unknown flag, with a hint": { given: [["--log-levle=info"]], expect: "Did you mean --log-level?" },
    "an unknown setting in a file": {
      given: [["--config=typo.yaml"]],
      expect: '"log-levle" in typo.yaml is no setting',
    },
    "an argument too many": { given: [["now"]], expect: "too many arguments" },
    "a flag without its value": { given: [["--kubeconfig"]], expect: "--kubeconfig <value>' argument missing" },
    "a file that is not there": {
      given: [["--config=none.yaml"]],
      expect: '--config: cannot read "none.yaml": ENOENT',
    },
    "a file that is no mapping": { given: [["--config=list.yaml"]], expect: "it must hold settings by name" },
    "a file that is no YAML": { given: [["--config=broken.yaml"]], expect: '--config: cannot read "broken.yaml"' },
    "a certificate without its key": {
      given: [["--prometheus-url=http://p", "--prometheus-cert-file=/c"]],
      expect: "must be given together",
    },
    "two ways to authenticate": {
      given: [["--prometheus-url=http://p", "--prometheus-bearer-token-file=/t", "--prometheus-basic-auth-file=/b"]],
      expect: "exclude each other",
    },
    "credentials for no Prometheus": {
      given: [["--prometheus-ca-file=/ca"]],
      expect: "of no use without --prometheus-url",
    },
  };
  test.each(Object.entries(table))("%s", (_, { given, expect: wanted }) => expect(refusal(...given)).toContain(wanted));

  test("every wrong setting at once", () => {
    expect(refusal(["--log-level=loud", "--log-format=xml"]).split("\n")).toHaveLength(2);
  });

  test("a password in an address, without showing it", () => {
    const message = refusal(["--prometheus-url=http://ann:secret@prometheus"]);
    expect(message).toContain("without credentials");
    expect(message).not.toContain("secret");
  });
});
