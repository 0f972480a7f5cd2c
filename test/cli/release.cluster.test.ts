import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Operator, Playground } from "../cluster/playground.ts";
import { rollout, shop } from "../demo/shop.ts";
import { KubectlZenith } from "./kubectl-zenith.ts";

/*
 * Releases driven from `kubectl zenith` alone, by the real kubectl, against the real API server, with real pods and a
 * stand-in gateway. Each test goes on where the one before ended.
 */

let playground: Playground;
let zenith: KubectlZenith;
let operator: Operator;

beforeAll(async () => {
  playground = await Playground.start({ cluster: { users: [{ name: "reader" }, { name: "ci" }] } });
  await playground.cluster.apply(shop({ replicas: 2 }));
  await playground.cluster.apply(rightsOfCi);
  zenith = await KubectlZenith.install(playground.cluster);
}, 1_200_000);

afterAll(async () => {
  zenith?.uninstall();
  await playground?.stop();
});

const canary = { settle: "1s", drain: "1s", scaleDownDelay: "1s" };
const steps = [{ weight: 25 }, { pause: {} }, { weight: 50 }, { pause: { for: "2s" } }];

/** What an account of CI needs to deploy and to wait: one Deployment, by its name. */
const rightsOfCi = [
  {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "Role",
    metadata: { name: "ci", namespace: "default" },
    rules: [
      { apiGroups: ["zenith.sh"], resources: ["rollouts"], verbs: ["get", "list", "watch", "patch"] },
      { apiGroups: ["apps"], resources: ["deployments"], resourceNames: ["web"], verbs: ["get", "patch"] },
    ],
  },
  {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "RoleBinding",
    metadata: { name: "ci", namespace: "default" },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "ci" },
    subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: "ci" }],
  },
];

/** The operator's reason for not doing what was asked. */
async function refused(...args: string[]): Promise<string> {
  const { code, stderr } = await zenith.run(args);
  expect(code).toBe(1);
  return /^Error: .*? was refused: (.*)\n/.exec(stderr)?.[1] ?? `not refused: ${stderr}`;
}

/** What `status` prints last, and its exit code. */
async function ended(...args: string[]): Promise<[code: number, last: string | undefined]> {
  const { code, stdout } = await zenith.run(["status", "web", "--timeout", "60s", ...args]);
  return [code, stdout.trimEnd().split("\n").at(-1)];
}

describe("before there is an operator", () => {
  test("kubectl finds the plugin", async () => {
    const { stdout } = await zenith.kubectl(["plugin", "list"]);
    expect(stdout).toContain("/kubectl-zenith\n");
    expect(await zenith.says("--help")).toContain("Usage: kubectl zenith <command> [flags]");
  });

  test("version says that nobody is there", async () => {
    expect(await zenith.says("version")).toMatch(
      /^kubectl zenith \d+\.\d+\.\d+ \(Node 24\.\S+\)\nOperator: no operator is running: there is no Lease "zenith-operator"/,
    );
  });

  test("get says that there is no Rollout, and warns", async () => {
    expect(await zenith.run(["get"])).toMatchObject({
      code: 0,
      stdout: "",
      stderr: expect.stringMatching(
        /Warning: no operator is running: .*There are no Rollouts in namespace default\.\n$/s,
      ),
    });
    expect(await zenith.run(["get", "web"])).toEqual({
      code: 1,
      stdout: "",
      stderr:
        'Error: There is no Rollout "web" in namespace default\n' +
        "Hint: there is none in this namespace; name another with -n, or see kubectl zenith get -A\n",
    });
  });

  test("status waits no longer than it is told to: 3", async () => {
    await playground.cluster.apply(
      rollout({ strategy: { canary: { ...canary, steps } }, analysis: { disabled: true }, bake: "3s" }),
    );
    const { code, stdout, stderr } = await zenith.run(["status", "web", "--timeout", "1s"]);
    expect(stdout).toMatch(
      /waiting until the operator has seen the latest change\nRollout "web" is not decided after 1s\n$/,
    );
    expect(stderr).toMatch(/^Warning: no operator is running/);
    expect(code).toBe(3);
  });

  test("a verb says why nothing comes of it", async () => {
    const { code, stderr } = await zenith.run(["pause", "web", "--timeout", "2s"]);
    expect(stderr).toMatch(/^Error: No operator has looked at Rollout "web" yet\nHint: is one running\?/);
    expect(code).toBe(1);
    expect(await zenith.says("why", "web")).toMatch(
      /^No operator has looked at Rollout default\/web yet\. No operator is running/,
    );
  });
});

describe("a release", () => {
  test("status, right after the operator starts, waits until the Deployment is taken over: 0", async () => {
    operator = await playground.startOperator();
    const [code, last] = await ended("--baked");
    expect(last).toMatch(/^Rollout "web" promoted: revision \S+ serves$/);
    expect(code).toBe(0);
    expect(await zenith.says("get")).toMatch(
      /^NAME +STATUS +STEP +WEIGHT +READY +AGE\nweb +Healthy +5\/5 +100% +2\/2 /,
    );
    expect(await zenith.says("get", "-A", "-o", "name")).toBe("rollout.zenith.sh/web");
    expect(await zenith.says("version")).toContain("Operator: running: ");
    expect(await zenith.says("why", "web")).toMatch(/^Rollout default\/web is Healthy: .* What to do: Nothing\.$/s);
  });

  test("report says that nothing was decided yet: the first revision is not judged", async () => {
    expect(await zenith.run(["report", "web"])).toEqual({
      code: 1,
      stdout: "",
      stderr: expect.stringMatching(
        /^Error: No release of Rollout "web" was decided yet\nHint: the report is made when /,
      ),
    });
  });

  let planned: string[];

  test("deploy --dry-run shows the plan, and changes nothing", async () => {
    const before = await generations();
    const { code, stdout, stderr } = await zenith.run(["deploy", "web", "--image", "shop/web:v2", "--dry-run"]);
    expect(stdout).toMatch(/^Plan for Rollout default\/web: revision \S+ \(shop\/web:v2\) against stable/);
    expect(stderr).toBe("Dry run: the API server would take this; nothing was written.\n");
    expect(code).toBe(0);
    expect(await generations()).toEqual(before);
    const { moments } = JSON.parse(await zenith.says("plan", "web", "--image", "shop/web:v2", "-o", "json"));
    planned = (moments as { writes: string[] }[]).flatMap(({ writes }) => writes);
    expect(planned.filter((why) => why.startsWith("give the "))).toEqual([
      ...[0, 25, 50, 100].map((weight) => `give the canary ${weight} %`),
      "give the Service all traffic",
    ]);
  });

  test("deploy --wait releases, and ends with 4 where a person is waited for", async () => {
    const { code, stdout } = await zenith.run([
      "deploy",
      "web",
      "--image",
      "shop/web:v2",
      "--wait",
      "--timeout",
      "60s",
    ]);
    expect(stdout).toContain('Rollout "web" waits for a person: kubectl zenith promote web, or abort\n');
    expect(code).toBe(4);
    const tree = await zenith.says("get", "web");
    expect(tree).toContain(
      "Rollout default/web: Paused, step 2 of 5\nwaiting for approval at 25 %; promote to go on\n",
    );
    expect(tree).toContain("Weight   desired 25 %, written 25 %, effective 25 %\n");
    expect(tree).toContain("Steps    25 % · ● approval · 50 % · 2s · 100 %\n");
    expect(tree).toMatch(/\n├─ #2 \S+ +canary +Ready +1\/1 +25 % +\S+ +shop\/web:v2\n│ {2}└─ web-\S+ +Running +1\/1/);
    expect(tree).toMatch(/\n└─ #1 \S+ +stable +Ready +2\/2 +75 % +\S+ +shop\/web:v1\n {3}├─ web-\S+ +Running/);
  });

  test("pause holds it, also past the step's own pause; resume lets it go on", async () => {
    expect(await zenith.says("pause", "web")).toBe("rollout.zenith.sh/web: pause accepted: its weight does not rise");
    expect(await zenith.says("promote", "web")).toBe(
      "rollout.zenith.sh/web: promote accepted: it goes past the present wait",
    );
    expect(await zenith.says("get", "web", "-o", "json").then((text) => JSON.parse(text).status.message)).toBe(
      "paused by a person; resume to go on",
    );
    expect(await zenith.says("resume", "web")).toBe("rollout.zenith.sh/web: resume accepted: it goes on");
  });

  test("status --baked waits for the end of the bake, and what happened is what plan had printed", async () => {
    expect((await ended("--baked"))[0]).toBe(0);
    const happened = () =>
      writesSince(
        operator.log().flatMap(({ writes }) => (writes as string[] | undefined) ?? []),
        planned[0],
      );
    expect(planned.length).toBeGreaterThan(10);
    await until(() => happened().length >= planned.length); // What the old pods leave goes when they have ended.
    expect(happened()).toEqual(planned);
  });

  test("report sets what was wanted beside what was measured, and says what was not", async () => {
    const report = await zenith.says("report", "web");
    expect(report).toMatch(
      /^Rollout default\/web: revision \S+ \(shop\/web:v2\)\nPromoted, begun \S+Z, decided \S+Z\n/,
    );
    expect(report).toMatch(/\n◌ error rate +at most 0\.1 % +not measured: analysis is disabled\n/);
    expect(report).toMatch(/\n✔ traffic +100 % +100 %\n/);
    expect(report).toMatch(/\n✔ rollbacks +none +none\n {2}time to promote +\d+ \S+/);
    expect(report).toMatch(/\n2 met, 0 missed, 6 not measured$/);
  });

  test("abort takes it back, and status ends with 2", async () => {
    await zenith.says("deploy", "web", "--image", "web=shop/web:v5");
    expect((await ended())[0]).toBe(4);
    expect(await zenith.says("abort", "web")).toBe(
      "rollout.zenith.sh/web: abort accepted: what is on its way goes back, and is rejected",
    );
    expect(await ended()).toEqual([2, 'Rollout "web" reverted; kubectl zenith why web says more']);
    expect(await zenith.says("why", "web")).toMatch(/is Reverted: revision \S+ \(shop\/web:v2\) serves all traffic\./);
    expect(await refused("abort", "web")).toBe("no release is on its way");
    const stage = async () =>
      (await zenith.kubectl(["get", "zr", "web", "-o", "jsonpath={.status.progress.stage}"])).stdout;
    await expect.poll(stage, { timeout: 30_000 }).toBe("Resting"); // The way back is over, and how long it took is known.
    const { result, criteria } = JSON.parse(await zenith.says("report", "web", "-o", "json"));
    expect(result).toBe("Reverted");
    expect(criteria).toContainEqual({ name: "traffic", wanted: "100 %", measured: "25 %", outcome: "missed" });
    expect(criteria.at(-1)).toMatchObject({ name: "rollbackTime", measured: expect.stringMatching(/^\d+ s$/) });
  });

  test("retry begins it again, and promote --full ends it", async () => {
    await zenith.says("retry", "web");
    expect((await ended())[0]).toBe(4);
    expect(await zenith.says("promote", "web", "--full")).toContain("promote --full accepted");
    expect((await ended("--baked"))[0]).toBe(0);
    expect(await refused("retry", "web")).toBe("nothing was rejected");
  });

  test("history lists the revisions, and rollback goes to one of them", async () => {
    expect(await zenith.says("history", "web")).toMatch(
      /^NUMBER .*\n3 +\S+ +stable .* shop\/web:v5\n2 +\S+ +promoted .* shop\/web:v2\n1 +\S+ +promoted .* shop\/web:v1$/,
    );
    expect(await zenith.run(["rollback", "web", "--to", "9"])).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^Error: Revision "9" of Rollout "web" is not kept\nHint: there are 1 \(\S+\), 2 /),
    });
    await zenith.says("rollback", "web", "--to", "1");
    expect((await ended())[0]).toBe(2); // What the spec asks for was rolled back.
    await until(async () => (await zenith.says("get", "web")).includes("shop/web:v1"));
    expect(await zenith.says("history", "web")).toMatch(/\n3 +\S+ +rejected .*\n.*\n1 +\S+ +stable /);
  });

  test("status ends with 5 where another revision came meanwhile", async () => {
    await zenith.says("deploy", "web", "--image", "shop/web:v6");
    expect((await ended())[0]).toBe(4);
    const revision = JSON.parse(await zenith.says("get", "web", "-o", "json")).status.wanted.revision;
    const waiting = zenith.start(["status", "web", "--through-pauses", "--timeout", "60s"]);
    await until(() => waiting.said().includes("25%")); // It knows by then what it waits for.
    await zenith.says("deploy", "web", "--image", "shop/web:v7");
    expect(await waiting.ended).toBe(5);
    expect(waiting.said()).toMatch(new RegExp(`superseded: revision \\S+ is wanted by now instead of ${revision}\n$`));
  });

  test("get --watch tells each change, until it is interrupted", async () => {
    const watching = zenith.start(["get", "web", "--watch"]);
    await until(() => watching.said().includes("waiting for approval at 25 %"));
    await zenith.says("promote", "web", "--full");
    await until(() => /Rollout default\/web: Healthy/.test(watching.said()));
    expect(await watching.interrupt()).toBe(0);
    expect(watching.said().split("\n\nRollout default/web: ").length).toBeGreaterThan(3);
  });

  test("deploy --strategy changes the way up with the image", async () => {
    await zenith.says("deploy", "web", "--image", "shop/web:v8", "--strategy", "custom", "--steps", "40%,1s", "--wait");
    const { spec, status } = JSON.parse(await zenith.says("get", "web", "-o", "json"));
    expect(spec.strategy.canary).toEqual({ ...canary, steps: [{ weight: "40%" }, { pause: { for: "1s" } }] });
    expect(status.stable.images).toEqual(["shop/web:v8"]);
    expect(await zenith.says("deploy", "web", "--image", "shop/web:v8")).toBe(
      "rollout.zenith.sh/web: it says so already; nothing was changed",
    );
    expect(await zenith.says("deploy", "web", "--image", "shop/web:v8", "--wait")).toMatch(
      /^rollout\.zenith\.sh\/web: it says so already; nothing was changed\n(.*\n)*.*promoted: revision \S+ serves$/,
    );
  });

  test("deploy --wait of an account that may not list Deployments is about what it deployed", async () => {
    await operator.running.stop(); // Status goes on telling of v8.
    const deploying = zenith.start(["deploy", "web", "--image", "shop/web:v9", "--wait"], { user: "ci" });
    await until(() => deploying.said().includes("waiting until the operator has seen the latest change"));
    operator = await playground.startOperator();
    expect(await deploying.ended).toBe(0);
    expect(JSON.parse(await zenith.says("get", "web", "-o", "json")).status.stable.images).toEqual(["shop/web:v9"]);
  });

  test("who may not read is told so in a sentence", async () => {
    expect(await zenith.run(["get", "web"], { user: "reader" })).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(
        /^Error: rollouts\.zenith\.sh "web" is forbidden: User "reader" cannot .*\nHint: ask for the right/,
      ),
    });
  });
});

async function generations(): Promise<unknown[]> {
  const read = async (what: string) => {
    const { stdout } = await playground.cluster.kubectl(["get", what, "web", "-o", "jsonpath={.metadata.generation}"]);
    return stdout;
  };
  return [await read("rollout.zenith.sh"), await read("deployment")];
}

/** What was written from that on, the first of a plan. */
function writesSince(writes: readonly string[], first: string | undefined): string[] {
  return first === undefined ? [] : writes.slice(writes.lastIndexOf(first));
}

async function until(isThere: () => boolean | Promise<boolean>, patienceMs = 60_000): Promise<void> {
  for (const end = performance.now() + patienceMs; !(await isThere()); ) {
    if (performance.now() > end) throw new Error(`Waited ${patienceMs / 1000} s in vain`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
