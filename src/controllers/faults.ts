import type { KubeObject } from "../api/kubernetes.ts";
import { UnitError } from "../api/units.ts";
import { impossibleStatus, type Standing } from "../core/impossible.ts";
import type { EventRecorder } from "../kube/events.ts";
import type { Resources } from "../kube/resource.ts";
import type { Logger } from "../telemetry/log.ts";
import { type Key, keyOf } from "./key.ts";
import { writeStatus } from "./write-status.ts";

/** Deciding threw: that is about one object, whatever it is. */
export class Undecidable extends Error {
  override readonly name = "Undecidable";

  /** A spec that cannot be read can only be mended; whatever else threw may come right by itself. */
  get isForGood(): boolean {
    return this.cause instanceof UnitError;
  }
}

/** @throws Undecidable for whatever `decide` throws */
export function deciding<T>(decide: () => T): T {
  try {
    return decide();
  } catch (cause) {
    throw new Undecidable("Nothing can be decided", { cause });
  }
}

export interface FaultsOptions {
  readonly resources: Resources;
  readonly events: EventRecorder;
  readonly log: Logger;
  /** Server time in milliseconds since the epoch. */
  readonly now: () => number;
  /** What the kind is called in the log. */
  readonly kind: string;
  readonly standing: Standing;
}

export type WithStatus = Parameters<typeof impossibleStatus>[0] & KubeObject;

/** Tells of objects about which nothing can be decided: they are Failed and say why. Each is told of once, by status, an
 * Event and a line of the log. */
export class Faults<T extends WithStatus> {
  readonly #options: FaultsOptions;
  readonly #told = new Map<Key, string>();

  constructor(options: FaultsOptions) {
    this.#options = options;
  }

  /** @returns the object as it was written; undefined where status says it already
   * @throws ApiError */
  async tell(object: T, { cause, isForGood }: Undecidable): Promise<T | undefined> {
    const { events, log, now, kind, standing } = this.#options;
    const key = keyOf(object);
    const said = cause instanceof Error ? cause.message : String(cause);
    const reason = isForGood ? "SpecImpossible" : "InternalFault";
    const message = isForGood ? said : `a fault of Zenith, please report it: ${firstLine(said)}`;
    if (this.#told.get(key) !== message) {
      const stack = cause instanceof Error ? cause.stack : undefined;
      if (isForGood) log.warn({ [kind]: key, error: message }, "the spec cannot be read");
      else log.error({ [kind]: key, error: stack ?? said }, "nothing can be decided");
    }
    this.#told.set(key, message);
    const status = impossibleStatus(object, standing, { reason, message }, now());
    if (status === undefined) return undefined;
    const written = await writeStatus(this.#options.resources, object, status);
    events.record(object, "Warning", reason, message);
    return written;
  }

  /** It can be decided about again: the next fault is told of, whatever it is. */
  forget(key: Key): void {
    this.#told.delete(key);
  }
}

function firstLine(text: string): string {
  return text.split("\n", 1)[0]?.slice(0, 512) ?? "";
}
