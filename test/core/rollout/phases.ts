import { atRest, Play, underWay } from "./play.ts";

/** Waits for a person at 25 %. */
export const waiting = { strategy: { canary: { steps: [{ weight: 25 }, { pause: {} }] } } };

/** Where each phase is met, in the order of design's table. */
export const phases = {
  Pending: () => {
    const play = new Play();
    play.ready("v1", 0);
    return play.until("Pending");
  },
  Progressing: () => underWay(25),
  Paused: () => underWay(25, { spec: waiting }).until("Paused"),
  Baking: () => underWay(25).until("Baking"),
  Healthy: () => atRest(),
  Reverted: () => {
    const play = underWay(25);
    play.request("abort");
    return play.until("Reverted");
  },
  Failed: () => {
    const play = new Play();
    play.templateProblem = "spec.containers: Required";
    return play.until("Failed");
  },
} satisfies Record<string, () => Play>;

export type Phase = keyof typeof phases;
