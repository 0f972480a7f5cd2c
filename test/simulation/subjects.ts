import { API_SERVER_DOWN, TWO_LEADERS } from "./faults.ts";
import { FLAG_NAMES, FLAG_STAGES } from "./flags/happenings.ts";
import { PLANTED_IN_FLAGS } from "./flags/planted.ts";
import { playFlag } from "./flags/run.ts";
import type { Outcome } from "./frame.ts";
import { NAMES, STAGES } from "./happenings.ts";
import { PLANTED } from "./planted.ts";
import { play } from "./run.ts";

/** What is simulated, what may happen to it and in which of its stages, and where the seeds are kept that once failed. */
export interface Subject {
  readonly names: readonly string[];
  readonly stages: readonly string[];
  /** Cells of the table that nothing can fill. */
  readonly impossible: readonly string[];
  readonly kept: URL;
  readonly play: (seed: number) => Promise<Outcome>;
  /** The mistakes that it must find. */
  readonly planted: readonly { readonly name: string; readonly play: (seed: number) => Promise<Outcome> }[];
}

export type SubjectName = "rollouts" | "flags";

export const SUBJECTS: Readonly<Record<SubjectName, Subject>> = {
  rollouts: {
    names: [...NAMES, TWO_LEADERS, API_SERVER_DOWN],
    stages: STAGES,
    impossible: ["deleteCanaryService × Starting"], // It is made for the first canary.
    kept: new URL("kept-seeds.json", import.meta.url),
    play: (seed) => play(seed),
    planted: PLANTED.map(({ name, ...mistake }) => ({ name, play: (seed) => play(seed, mistake) })),
  },
  flags: {
    names: [...FLAG_NAMES, TWO_LEADERS, API_SERVER_DOWN],
    stages: FLAG_STAGES,
    impossible: ["statusLost × Starting", "othersWriteStatus × Starting"], // There is none yet.
    kept: new URL("flags/kept-seeds.json", import.meta.url),
    play: (seed) => playFlag(seed),
    planted: PLANTED_IN_FLAGS.map(({ name, ...mistake }) => ({ name, play: (seed) => playFlag(seed, mistake) })),
  },
};
