import type { Killer } from "./run.ts";

/** Kills at one write after another, each time after a status was written: an operator that dies at every single write, again
 * and again, cannot get on, and need not. */
export function inTurn(fate: "killBefore" | "killAfter", skip: number): Killer {
  let left = skip;
  let armed = true;
  return ({ path }) => {
    const isStatus = path.includes("/status");
    if (!armed) {
      armed = isStatus;
      return "pass";
    }
    if (left-- > 0) return "pass";
    armed = false;
    return fate;
  };
}

/** Kills at three of ten writes, as chance will have it. */
export function byChance(seed: number): Killer {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const chance = state / 2 ** 32;
    return chance < 0.15 ? "killBefore" : chance < 0.3 ? "killAfter" : "pass";
  };
}
