import { describe, expect, test } from "vitest";
import { parseCheck, parseUninstall } from "../../src/install/settings.ts";

describe("parseUninstall()", () => {
  test("takes what the chart gives", () => {
    const args = ["--operator=z-operator", "--timeout=30", "--namespaces=a,b"];
    expect(parseUninstall(args, { ZENITH_NAMESPACE: "z" })).toEqual({
      namespace: "z",
      operator: "z-operator",
      namespaces: ["a", "b"],
      timeoutMs: 30_000,
    });
  });

  const refused: Record<string, { given: string[]; says: string }> = {
    "no namespace": { given: [], says: "--namespace or ZENITH_NAMESPACE must name the operator's namespace" },
    "no number": { given: ["--timeout=soon"], says: '--timeout must be whole seconds, 1 to 9999 (got "soon")' },
    "an unknown flag": { given: ["--force"], says: "known are --kubeconfig, --namespace, --namespaces" },
  };
  test.each(Object.entries(refused))("refuses %s", (_, { given, says }) => {
    expect(() => parseUninstall(given, {})).toThrow(says);
  });
});

describe("parseCheck()", () => {
  test("expects the policy unless told otherwise", () => {
    expect(parseCheck(["--namespace=z"], {})).toEqual({ namespace: "z", policy: true });
    expect(parseCheck(["--namespace=z", "--policy=false"], {})).toEqual({ namespace: "z", policy: false });
    expect(() => parseCheck(["--policy=maybe"], {})).toThrow('--policy must be true or false (got "maybe")');
  });
});
