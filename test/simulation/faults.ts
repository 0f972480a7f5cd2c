import type { Kind } from "./cluster/api-server.ts";
import type { Caches } from "./cluster/caches.ts";
import { OPERATOR } from "./operator.ts";
import type { World } from "./world.ts";

/** What may go wrong with one write: decided as it is sent. */
export const WRITE_FAULTS = ["conflict", "errorBefore", "errorAfter", "crashBefore", "crashAfter"] as const;
/** The leader falls asleep as it sends a write, another takes the Lease, and the old one wakes up and goes on. */
export const TWO_LEADERS = "twoLeaders";
export type WriteFault = (typeof WRITE_FAULTS)[number] | typeof TWO_LEADERS;

export function isWriteFault(name: string): name is WriteFault {
  return name === TWO_LEADERS || (WRITE_FAULTS as readonly string[]).includes(name);
}

/** Something that befalls what is simulated, the cluster, or its operator. False where it cannot happen now. */
export type Happening<W> = (world: W) => undefined | false;
export type Happenings<W> = Readonly<Record<string, Happening<W>>>;

/** A world with an operator that watches it. */
export interface Operated extends World {
  readonly operator: { readonly caches: Caches | undefined; crash(why: string, downMs: number): void };
}

/** What befalls any operator, and every tool and person beside it. */
export const API_SERVER_DOWN = "apiServerDown";
/** A leader that cannot renew its Lease for so long ends. */
const LEASE_LOST_MS = [8_000, 12_000] as const;
/** Faults stop soon after it: nothing may begin later. */
const LAST_S = 580;

export const OUTAGE: Happenings<Operated> = {
  [API_SERVER_DOWN]: (world) => {
    const { api, rng } = world;
    const forMs = rng.chance(0.5) ? rng.int(10_000, 60_000) : rng.int(60_000, 720_000);
    if (!rng.chance(0.3) || world.agenda.seconds > LAST_S) return goDown(world, forMs);
    // With the answer to a write, where one comes soon.
    let isUp = true;
    const begin = () => {
      if (isUp) goDown(world, forMs);
      isUp = false;
    };
    api.onCommit(({ actor }) => {
      if (actor === OPERATOR) begin();
    });
    world.agenda.after(rng.int(1_000, 10_000), begin);
  },
};

/** Nothing is answered and no watch tells anything; pods, proxies and Prometheus go on. An operator that leads by a Lease ends,
 * as it cannot renew it, and starts again once that has run out; another one waits. */
function goDown({ api, operator, agenda, rng, story }: Operated, forMs: number): undefined {
  story.tell("API server", `down for ${forMs / 1_000} s`);
  api.goDown(forMs, rng.int(0, 20_000));
  operator.caches?.cut();
  agenda.after(forMs, () => story.tell("API server", "answers again"));
  if (rng.chance(0.3)) return; // It has no Lease.
  const endsMs = rng.int(...LEASE_LOST_MS);
  agenda.after(endsMs, () => {
    if (operator.caches !== undefined && api.isDown)
      operator.crash("the Lease was lost", forMs - endsMs + rng.int(500, 25_000));
  });
}

/** What befalls any operator: its watches are late or lose something, and its process ends. */
export function processFaults(kinds: readonly Kind[]): Happenings<Operated> {
  return {
    staleCache: ({ operator, rng }) => {
      if (operator.caches === undefined) return false;
      for (const kind of rng.chance(0.4) ? kinds : [rng.pick(kinds)])
        operator.caches.hold(kind, rng.int(1_000, 30_000));
    },
    lostWatch: ({ operator, rng }) => {
      if (operator.caches === undefined) return false;
      for (const kind of rng.chance(0.3) ? kinds : [rng.pick(kinds)]) operator.caches.lose(kind, rng.int(200, 20_000));
    },
    crash: ({ operator, rng }) => operator.crash("killed", rng.int(200, 40_000)) as undefined,
    staleRestart: ({ operator, agenda, rng }) => {
      const downMs = rng.int(200, 5_000);
      operator.crash("killed; the watches of the next one are held up", downMs);
      agenda.after(downMs, () => {
        for (const kind of kinds) if (rng.chance(0.7)) operator.caches?.hold(kind, rng.int(1_000, 30_000));
      });
    },
  };
}

/** What a metrics server is known for lasts for a while.
 * @param source the metrics server of a world */
export function metricsFaults<W extends World, F extends string>(
  faults: readonly F[],
  source: (world: W) => { fault: F | undefined },
): Happenings<W> {
  const lasting =
    (fault: F): Happening<W> =>
    (world) => {
      const server = source(world);
      server.fault = fault;
      world.agenda.after(world.rng.int(10_000, 150_000), () => {
        if (server.fault === fault) server.fault = undefined;
      });
    };
  return Object.fromEntries(faults.map((fault) => [`prometheus ${fault}`, lasting(fault)]));
}
