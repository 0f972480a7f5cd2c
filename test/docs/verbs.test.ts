import { describe, expect, test } from "vitest";
import { formatRequest } from "../../src/api/request.ts";
import type { RolloutStatus } from "../../src/api/rollout.ts";
import { ordersOf } from "../../src/core/rollout/requests.ts";
import type { Revision, World } from "../../src/core/rollout/world.ts";
import { verbTable } from "./verb-table.ts";

/** The table of docs/verbs.md, asked of the code that answers requests. */
const { verbs, phases, cells } = verbTable("Rollout");

const OLD = "oldoldold";
const NEW = "newnewnew";
type Situation = { status: RolloutStatus; stable?: string; previous?: string; wanted: string };
const rejected = { revision: NEW, reason: "AnalysisFailed", message: "", at: "" };

/** Where a Rollout stands in each phase, as far as a request is concerned. */
const situations: Readonly<Record<string, Situation>> = {
  Pending: { status: { progress: { stage: "Starting", mark: "scaling" } }, wanted: NEW },
  Progressing: { status: { progress: { stage: "Stepping", mark: "at:500" } }, stable: OLD, wanted: NEW },
  Paused: { status: { progress: { stage: "Stepping", mark: "at:500", paused: true } }, stable: OLD, wanted: NEW },
  Baking: {
    status: { progress: { stage: "Resting", mark: "resting", previous: OLD } },
    stable: NEW,
    previous: OLD,
    wanted: NEW,
  },
  Healthy: { status: { progress: { stage: "Resting", mark: "resting" } }, stable: NEW, wanted: NEW },
  Reverted: { status: { progress: { stage: "Resting", mark: "resting" }, rejected }, stable: "stablest", wanted: NEW },
  Failed: { status: { progress: { stage: "Starting", mark: "scaling" } }, wanted: NEW },
};

function revision(hash: string, number: number): Revision {
  const template = { spec: {} };
  return {
    hash,
    template,
    number,
    size: 0,
    pods: 0,
    isBehind: false,
    ready: 0,
    mark: { kind: "promoted", reason: "" },
  };
}

/** What a request reads of a world, and no more. */
function worldOf({ status, stable, previous, wanted }: Situation, request: string): World {
  const known = [OLD, "stablest", NEW].map((hash, i) => revision(hash, i + 1));
  const at = (hash: string | undefined) => known.find((r) => r.hash === hash);
  return {
    rollout: { metadata: { name: "web", annotations: { "zenith.sh/request": request } } },
    status,
    settings: { gates: [], steps: [{ kind: "weight", weightBp: 500 }] },
    routes: { state: "paired", canaryBp: 500 },
    revisions: new Map(stable === undefined ? [] : known.map((r) => [r.hash, r])),
    stable: at(stable),
    previous: at(previous),
    wanted: at(wanted),
  } as unknown as World;
}

function answerTo(verb: string, phase: string): string {
  const [word = "", argument] = verb.split(":");
  const named = argument === "<revision>" ? OLD : argument;
  const request = { verb: word, hash: NEW, nonce: "1", ...(named === undefined ? {} : { argument: named }) };
  const situation = situations[phase];
  if (situation === undefined) throw new Error(`The table has a phase that does not exist: ${phase}`);
  return ordersOf(worldOf(situation, formatRequest(request)))?.result ?? "not heard";
}

describe("docs/verbs.md", () => {
  test("has a row for each verb and a column for each phase", () => {
    expect(phases).toEqual(Object.keys(situations));
    expect(verbs).toEqual("promote promote:full pause resume abort retry rollback rollback:<revision>".split(" "));
    expect(cells).toHaveLength(56);
  });

  test.each(cells)("$verb in $phase is $answer", ({ verb, phase, answer }) => {
    expect(answerTo(verb, phase).split(":")[0]).toBe(answer.split(":")[0]);
  });

  test("a request for another revision is refused in every phase", () => {
    for (const situation of Object.values(situations))
      expect(ordersOf(worldOf(situation, "abort@other#1"))?.result).toMatch(/^refused: meant for revision other/);
  });
});
