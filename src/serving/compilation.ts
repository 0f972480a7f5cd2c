import type { FeatureFlag } from "../api/feature-flag.ts";
import type { FlagSegment } from "../api/flag-segment.ts";
import type { KillSwitch } from "../api/kill-switch.ts";
import { type Compiled, compileFlag } from "../core/flags/compile.ts";
import type { Uses } from "../core/flags/inlining.ts";
import { selects } from "../core/selector.ts";
import type { Clock } from "../kube/clock.ts";
import type { Store } from "../kube/store.ts";
import type { Logger } from "../telemetry/log.ts";
import { Claims, idOf, type Place } from "./claims.ts";
import { flagsInvalid, flagsServed } from "./metrics.ts";
import type { FlagStore } from "./store.ts";

/** What flags are made from, each filled by its watch. */
export interface Sources {
  readonly flags: Store<FeatureFlag>;
  readonly segments: Store<FlagSegment>;
  readonly kills: Store<KillSwitch>;
}

export interface CompilationParts {
  readonly sources: Sources;
  readonly store: FlagStore;
  readonly clock: Clock;
  /** Milliseconds since 1970, by the API server's clock. */
  readonly nowMs: () => number;
  readonly log: Logger;
}

/** A flag that is deleted is served on for a moment: who replaces an object deletes it first. */
export const DELETED_IS_SERVED_MS = 10_000;
/** The event loop turns in between: neighbours are answered while many flags are compiled. */
const TURN_MS = 10;
/** Should time and the compiler ever differ, they do not keep each other busy. */
const SOONEST_MS = 10;

/**
 * Compiles what changes, and nothing else: a flag; the flags that name a segment, or another flag as a prerequisite; the flags
 * that a KillSwitch matches; and a flag whose time has come. A flag that cannot be compiled is served as it was.
 */
export class Compilation {
  readonly #parts: CompilationParts;
  readonly #claims = new Claims();
  readonly #users = new Users();
  /** By object: where it is served, and when time will change it. */
  readonly #made = new Map<string, { readonly place: Place | undefined; readonly timer: { cancel(): void } }>();
  readonly #invalid = new Map<string, string>();
  /** Objects to look at, those that are urgent first. */
  readonly #urgent = new Set<string>();
  readonly #waiting = new Set<string>();
  #turn: { cancel(): void } | undefined;
  #isStarted = false;

  constructor(parts: CompilationParts) {
    this.#parts = parts;
    const { flags, segments, kills } = parts.sources;
    flags.subscribe((type, flag) => this.#flagChanged(flag, type === "deleted"));
    segments.subscribe((_, { metadata }) => this.#look(this.#users.ofSegment(metadata.namespace, metadata.name)));
    kills.subscribe((_, kill, old) => this.#killChanged(kill, old));
  }

  /** Compiles all that there is. The sources must have seen their first lists, all three: a flag that is compiled without the
   * KillSwitches would be let loose.
   * @returns once all of it is served */
  async start(): Promise<void> {
    const { sources, store } = this.#parts;
    this.#isStarted = true;
    for (const flag of sources.flags.list()) this.#claims.note(idOf(flag), flag);
    this.#look(sources.flags.list().map(idOf));
    while (this.#waiting.size + this.#urgent.size > 0) {
      this.#work();
      await new Promise((resolve) => setImmediate(resolve));
    }
    // What a snapshot held, and is no longer there.
    for (const name of store.names())
      for (const key of store.flagSet(name).flags.keys())
        if (this.#claims.owner({ flagSet: name, key }) === undefined) store.remove(name, key);
  }

  /** Flags that cannot be compiled, with the reason; what they were is served on. */
  get invalid(): ReadonlyMap<string, string> {
    return this.#invalid;
  }

  #flagChanged(flag: FeatureFlag, isDeleted: boolean): void {
    const id = idOf(flag);
    const concerned = isDeleted ? this.#claims.remove(id) : this.#claims.note(id, flag);
    const owners = concerned.map((place) => this.#claims.owner(place)).filter((owner) => owner !== undefined);
    this.#look([id, ...owners.map(idOf), ...concerned.flatMap((place) => this.#users.ofFlag(place))]);
  }

  #killChanged(kill: KillSwitch, old: KillSwitch | undefined): void {
    const selectors = [kill, old ?? kill].map(({ spec }) => spec.selector);
    const flags = this.#parts.sources.flags
      .list(kill.metadata.namespace)
      .filter(({ metadata }) => selectors.some((selector) => selects(selector, metadata.labels)))
      .map(idOf);
    const places = flags.flatMap((id) => this.#claims.placeOf(id) ?? []);
    this.#look([...flags, ...places.flatMap((place) => this.#users.ofFlag(place))], true);
  }

  #look(ids: readonly string[], isUrgent = false): void {
    if (!this.#isStarted) return;
    for (const id of ids) (isUrgent ? this.#urgent : this.#waiting).add(id);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#urgent.size + this.#waiting.size === 0) return;
    this.#turn ??= this.#parts.clock.after(0, () => {
      this.#turn = undefined;
      this.#work();
      this.#schedule();
    });
  }

  /** Works for a moment; on all that is urgent in any case, so that it goes to clients as one message. */
  #work(): void {
    const endMs = this.#parts.clock.monotonicMs() + TURN_MS;
    for (const id of [...this.#urgent, ...this.#waiting]) {
      if (!this.#urgent.delete(id) && this.#parts.clock.monotonicMs() > endMs) break;
      this.#waiting.delete(id);
      this.#compile(id);
    }
    flagsServed.set(this.#parts.store.size);
    flagsInvalid.set(this.#invalid.size);
  }

  #compile(id: string): void {
    const [namespace = "", name = ""] = id.split("/");
    const flag = this.#parts.sources.flags.get(namespace, name);
    const made = this.#made.get(id);
    made?.timer.cancel();
    if (flag === undefined) {
      this.#made.delete(id);
      this.#users.forget(id);
      this.#invalid.delete(id);
      if (made?.place !== undefined) this.#leave(made.place);
      return;
    }
    const compiled = this.#compiledOf(flag);
    this.#users.note(id, namespace, this.#claims.placeOf(id)?.flagSet ?? namespace, compiled.uses);
    const place = this.#serve(id, compiled) ?? this.#stays(id, made?.place ?? this.#keptPlace(id));
    if (made?.place !== undefined && made.place !== place) this.#leave(made.place);
    this.#made.set(id, { place, timer: this.#timerOf(id, compiled) });
  }

  #compiledOf(flag: FeatureFlag): Compiled {
    const { sources, nowMs } = this.#parts;
    const { namespace = "" } = flag.metadata;
    const place = this.#claims.placeOf(idOf(flag));
    return compileFlag({
      flag,
      segments: { get: (name) => sources.segments.get(namespace, name) },
      others: { get: (key) => (place === undefined ? undefined : this.#claims.owner({ ...place, key })) },
      kills: sources.kills.list(namespace),
      nowMs: nowMs(),
    });
  }

  /** @returns where it is served as it is now; undefined where it cannot be, or where another one is */
  #serve(id: string, compiled: Compiled): Place | undefined {
    if (compiled.kind === "invalid") {
      this.#refuse(id, `${compiled.reason}: ${compiled.message}`);
      return undefined;
    }
    const place = this.#claims.placeOf(id);
    const isOwner = place !== undefined && idOfOwner(this.#claims, place) === id;
    try {
      // A kill and a revert are told at once; what else changes, a moment later, together with its neighbours.
      if (isOwner) this.#parts.store.put(compiled, compiled.definition.metadata?.override !== undefined);
      if (this.#invalid.delete(id)) this.#parts.log.info({ flag: id }, "a flag can be served again");
      return isOwner ? place : undefined;
    } catch (error) {
      this.#refuse(id, error instanceof Error ? error.message : String(error));
      return undefined;
    }
  }

  /** Where a snapshot has put what the flag was, before this process knew it. */
  #keptPlace(id: string): Place | undefined {
    const place = this.#claims.placeOf(id);
    return place !== undefined && this.#parts.store.find(place.flagSet, place.key) !== undefined ? place : undefined;
  }

  /** Where what it was is served on: nowhere once another object has the place, or once it is valid and wants another one. */
  #stays(id: string, place: Place | undefined): Place | undefined {
    if (place === undefined || !this.#invalid.has(id)) return undefined;
    const owner = idOfOwner(this.#claims, place);
    return owner === undefined || owner === id ? place : undefined;
  }

  #refuse(id: string, message: string): void {
    if (this.#invalid.get(id) !== message)
      this.#parts.log.warn({ flag: id, why: message }, "a flag cannot be served as it is now; what it was goes on");
    this.#invalid.set(id, message);
  }

  #timerOf(id: string, compiled: Compiled): { cancel(): void } {
    if (compiled.kind !== "compiled" || compiled.changesAtMs === undefined) return { cancel: () => undefined };
    const inMs = Math.max(SOONEST_MS, compiled.changesAtMs - this.#parts.nowMs());
    return this.#parts.clock.after(inMs, () => this.#look([id], true));
  }

  /** Ends what is served at a place, unless an object has it by then. */
  #leave(place: Place): void {
    if (idOfOwner(this.#claims, place) !== undefined) return;
    this.#parts.clock.after(DELETED_IS_SERVED_MS, () => {
      if (idOfOwner(this.#claims, place) === undefined) this.#parts.store.remove(place.flagSet, place.key);
      flagsServed.set(this.#parts.store.size);
    });
  }
}

function idOfOwner(claims: Claims, place: Place): string | undefined {
  const owner = claims.owner(place);
  return owner === undefined ? undefined : idOf(owner);
}

/** Which flags were compiled from which other objects. */
class Users {
  readonly #names = new Map<string, readonly string[]>();
  readonly #users = new Map<string, Set<string>>();

  note(id: string, namespace: string, flagSet: string, uses: Uses): void {
    this.forget(id);
    const names = [
      ...[...uses.segments].map((name) => `segment ${namespace} ${name}`),
      ...[...uses.flags].map((key) => `flag ${flagSet} ${key}`),
    ];
    this.#names.set(id, names);
    for (const name of names) this.#users.set(name, (this.#users.get(name) ?? new Set()).add(id));
  }

  forget(id: string): void {
    for (const name of this.#names.get(id) ?? []) {
      const users = this.#users.get(name);
      users?.delete(id);
      if (users?.size === 0) this.#users.delete(name);
    }
    this.#names.delete(id);
  }

  ofSegment(namespace = "", name: string): string[] {
    return [...(this.#users.get(`segment ${namespace} ${name}`) ?? [])];
  }

  ofFlag({ flagSet, key }: Place): string[] {
    return [...(this.#users.get(`flag ${flagSet} ${key}`) ?? [])];
  }
}
