import { describe, expect, test } from "vitest";
import { presenceOf } from "../../src/cli/cluster/operator.ts";
import { explainError } from "../../src/cli/explain-error.ts";
import { cutTo, harmless, styleFor, widthOf } from "../../src/cli/io.ts";
import { ApiError, errorOf } from "../../src/kube/errors.ts";
import { runOffline } from "./terminal.ts";

/** Each mistake is one sentence and a hint, and ends with 1. */
describe("a mistake", () => {
  const table: Record<string, { given: string[]; says: string }> = {
    "in a command's name": { given: ["gte"], says: "Error: unknown command 'gte'\nHint: Did you mean get?\n" },
    "in an option's name": {
      given: ["status", "web", "--timout", "5s"],
      says: "Error: unknown option '--timout'\nHint: Did you mean --timeout?\n",
    },
    "in a duration": {
      given: ["status", "web", "--timeout", "5"],
      says:
        "Error: option '--timeout <duration>' argument '5' is invalid. " +
        'must be one integer and s, m, h or d, such as "10m" (got "5")\nHint: kubectl zenith --help lists what there is\n',
    },
    "in a kind": {
      given: ["get", "deployment/web"],
      says: 'Error: "deployment/web" names no rollout\nHint: write its name alone, or rollout/NAME\n',
    },
    "in a format": {
      given: ["get", "-o", "xml"],
      says: 'Error: -o must be one of json, yaml, name, wide (got "xml")\n',
    },
    "in the kubeconfig": {
      given: ["get", "--kubeconfig", "/nowhere/config"],
      says:
        "Error: ENOENT: no such file or directory, open '/nowhere/config'\n" +
        "Hint: see kubectl config get-contexts, or name a file with --kubeconfig\n",
    },
    "of a name that is empty, as of a variable that was never set": {
      given: ["status", ""],
      says: 'Error: "" names no rollout\nHint: write its name alone, or rollout/NAME\n',
    },
    "of a name that leads elsewhere": {
      given: ["abort", "flag/.."],
      says: 'Error: "flag/.." names no flag\nHint: write its name alone, or flag/NAME\n',
    },
    "of a namespace that leads elsewhere": {
      given: ["get", "-n", "a/b"],
      says: 'Error: "a/b" is no namespace\nHint: its name has small letters, digits and -\n',
    },
    "of a command of which only half was said": {
      given: ["flag"],
      says: "Error: A command is missing\nHint: the same with --help lists what there is\n",
    },
    "of a name left out": {
      given: ["abort"],
      says: "Error: missing required argument 'name'\nHint: kubectl zenith --help lists what there is\n",
    },
  };
  test.each(Object.entries(table))("%s", async (_, { given, says }) => {
    expect(await runOffline(given)).toEqual({ code: 1, out: "", err: says });
  });

  test("without a command is none: the help", async () => {
    const { code, out, err } = await runOffline([]);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(out).toMatch(/^Usage: kubectl zenith <command> \[flags\]/);
  });
});

describe("explainError() tells", () => {
  const path = "GET /apis/zenith.sh/v1alpha1/namespaces/shop/rollouts";
  const table: Record<string, { given: unknown; expect: [message: RegExp, hint: RegExp] }> = {
    "that definitions are missing": {
      given: errorOf(404, "404 page not found\n", undefined, path, 0),
      expect: [/does not know what Zenith needs: \/apis\/zenith.sh/, /kubectl apply -k crds/],
    },
    "what is forbidden, in the API server's words": {
      given: errorOf(
        403,
        JSON.stringify({ kind: "Status", message: 'User "eve" cannot list resource "rollouts"', reason: "Forbidden" }),
        undefined,
        path,
        0,
      ),
      expect: [/^User "eve" cannot list resource "rollouts"$/, /kubectl auth can-i/],
    },
    "that nobody is there": {
      given: new ApiError(`Cannot ${path}: connect ECONNREFUSED 127.0.0.1:8080`, { kind: "network" }),
      expect: [/^There is no kubeconfig/, /--kubeconfig/],
    },
    "that the API server is away": {
      given: new ApiError(`Cannot ${path}: connect ECONNREFUSED 10.0.0.1:6443`, { kind: "network" }),
      expect: [/^The API server cannot be reached: connect ECONNREFUSED/, /cluster-info/],
    },
    "a fault of ours without its stack": {
      given: new TypeError("x is not a function"),
      expect: [/^x is not a function$/, /please report it/],
    },
  };
  test.each(Object.entries(table))("%s", (_, { given, expect: [message, hint] }) => {
    const told = explainError(given);
    expect(told.message).toMatch(message);
    expect(told.hint).toMatch(hint);
  });
});

describe("presenceOf()", () => {
  const nowMs = Date.parse("2026-01-01T01:00:00Z");
  const lease = (renewTime: string, holderIdentity = "pod-1") => ({
    apiVersion: "coordination.k8s.io/v1",
    kind: "Lease",
    metadata: { name: "zenith-operator", namespace: "zenith-system" },
    spec: { holderIdentity, leaseDurationSeconds: 15, renewTime },
  });
  test("sees one that renews", () => {
    expect(presenceOf([lease("2026-01-01T00:59:50.000000Z")], nowMs)).toMatchObject({
      kind: "running",
      holder: "pod-1",
    });
  });
  test("says since when none renews", () => {
    expect(presenceOf([lease("2026-01-01T00:55:00.000000Z")], nowMs)).toEqual({
      kind: "gone",
      message: 'no operator is running: Lease "zenith-system/zenith-operator" was last renewed 5m ago',
    });
  });
  test("says that it was given back", () => {
    expect(presenceOf([lease("2026-01-01T00:59:59.000000Z", "")], nowMs)).toMatchObject({
      kind: "gone",
      message: expect.stringContaining("was given back 1s ago"),
    });
  });
  test("says that there is none", () => {
    expect(presenceOf([], nowMs)).toMatchObject({ kind: "gone" });
  });
});

describe("styleFor()", () => {
  const style = (isTerminal: boolean, environment: Record<string, string>, color = true) =>
    styleFor({ isTerminal, environment }, color).red("no");
  test("paints at a terminal alone", () => {
    expect(style(true, {})).toBe("\u001b[31mno\u001b[0m");
    for (const plain of [
      style(false, {}),
      style(true, { NO_COLOR: "1" }),
      style(true, { TERM: "dumb" }),
      style(true, {}, false),
    ])
      expect(plain).toBe("no");
  });
  test("draws with ASCII where the locale has nothing else", () => {
    expect(styleFor({ isTerminal: true, environment: { LANG: "C" } }, true).marks.branch).toBe("|- ");
  });
});

test("cutTo() counts letters, not colours", () => {
  const text = "\u001b[31mred\u001b[0m and plain";
  expect(widthOf(text)).toBe(13);
  expect(cutTo(text, 5)).toBe("\u001b[31mred\u001b[0m a");
});

describe("what others wrote", () => {
  const evil = "\u001b]0;owned\u0007\u001b[2J\r\u009b1A\u001b[8m";
  test("does not steer the terminal, while our colours stay", () => {
    expect(harmless(`\u001b[31mno\u001b[0m\t${evil}\n`)).toBe(
      "\u001b[31mno\u001b[0m\t\\u001b]0;owned\\u0007\\u001b[2J\\u000d\\u009b1A\\u001b[8m\n",
    );
  });
  test("is told as it is by every command, and JSON stays JSON", async () => {
    const input = JSON.stringify({ apiVersion: "zenith.sh/v1alpha1", kind: "Rollout", metadata: { name: evil } });
    for (const format of [[], ["-o", "json"], ["-o", "yaml"]]) {
      const { out } = await runOffline(["lint", "-", ...format], { input });
      expect(out).not.toMatch(/(?!\n)\p{Cc}/u);
      if (format[1] === "json") expect(JSON.stringify(JSON.parse(out))).toContain("]0;owned");
    }
    const { err } = await runOffline(["get", `${evil}/x`]);
    expect(err).not.toMatch(/(?!\n)\p{Cc}/u);
  });
});
