import { FLAG_NAMES, FLAG_STAGES } from "./flags/happenings.ts";
import { playFlag } from "./flags/run.ts";
import { NAMES, STAGES } from "./happenings.ts";
import { type Outcome, play } from "./run.ts";

/** What is simulated, what may happen to it and in which of its stages, and where the seeds are kept that once failed. */
export interface Subject {
  readonly names: readonly string[];
  readonly stages: readonly string[];
  /** Cells of the table that nothing can fill. */
  readonly impossible: readonly string[];
  readonly kept: URL;
  readonly play: (seed: number) => Outcome | Promise<Outcome>;
}

export type SubjectName = "rollouts" | "flags";

export const SUBJECTS: Readonly<Record<SubjectName, Subject>> = {
  rollouts: {
    names: NAMES,
    stages: STAGES,
    impossible: ["deleteCanaryService × Starting"], // It is made for the first canary.
    kept: new URL("kept-seeds.json", import.meta.url),
    play: (seed) => play(seed),
  },
  flags: {
    names: FLAG_NAMES,
    stages: FLAG_STAGES,
    impossible: ["statusLost × Starting", "othersWriteStatus × Starting"], // There is none yet.
    kept: new URL("flags/kept-seeds.json", import.meta.url),
    play: (seed) => playFlag(seed),
  },
};
