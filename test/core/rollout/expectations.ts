import { expect } from "vitest";
import type { Play } from "./play.ts";

/** One revision has all the traffic and all the pods, and on the way there nothing went wrong. */
export function servesAlone(play: Play, tag: string, size = 4): void {
  expect(play.traffic).toEqual({ [tag]: 1 });
  expect(play.sizes).toEqual({ [tag]: size });
  expectSound(play);
}

/** No request was lost, no write failed, and no pass did what none may. */
export function expectSound(play: Play): void {
  expect({ gaps: play.gaps, wrongs: play.wrongs, failures: play.failures }).toEqual({
    gaps: [],
    wrongs: [],
    failures: [],
  });
}
