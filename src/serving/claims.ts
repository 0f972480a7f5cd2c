import type { FeatureFlag } from "../api/feature-flag.ts";
import type { KubeObject } from "../api/kubernetes.ts";
import { olderFirst } from "../core/flags/age.ts";
import { FlagInvalid } from "../core/flags/invalid.ts";
import { flagSetOf, keyOf } from "../core/flags/settings.ts";

/** Where a flag is served. */
export interface Place {
  readonly flagSet: string;
  readonly key: string;
}

/** Who claims which place. Of several objects that claim one, the oldest has it: who comes later takes nothing away. */
export class Claims {
  readonly #places = new Map<string, Place>();
  readonly #claimants = new Map<string, FeatureFlag[]>();

  /** Notes where an object wants to be served. One that names no place that it may have keeps the one that it has.
   * @returns places whose owner may be another one now */
  note(id: string, flag: FeatureFlag): Place[] {
    const place = placeOf(flag) ?? this.#places.get(id);
    if (place === undefined) return [];
    const before = this.remove(id);
    this.#places.set(id, place);
    const claimants = [...(this.#claimants.get(textOf(place)) ?? []), flag];
    this.#claimants.set(textOf(place), claimants.sort(olderFirst));
    return before.some((other) => textOf(other) === textOf(place)) ? before : [...before, place];
  }

  /** @returns the place that it had claimed */
  remove(id: string): Place[] {
    const place = this.#places.get(id);
    if (place === undefined) return [];
    this.#places.delete(id);
    const left = (this.#claimants.get(textOf(place)) ?? []).filter((flag) => idOf(flag) !== id);
    if (left.length === 0) this.#claimants.delete(textOf(place));
    else this.#claimants.set(textOf(place), left);
    return [place];
  }

  placeOf(id: string): Place | undefined {
    return this.#places.get(id);
  }

  /** The object that is served at a place. */
  owner(place: Place): FeatureFlag | undefined {
    return this.#claimants.get(textOf(place))?.[0];
  }
}

export function idOf({ metadata }: KubeObject): string {
  return `${metadata.namespace ?? ""}/${metadata.name}`;
}

function placeOf(flag: FeatureFlag): Place | undefined {
  try {
    return { flagSet: flagSetOf(flag), key: keyOf(flag) };
  } catch (error) {
    if (error instanceof FlagInvalid) return undefined;
    throw error;
  }
}

function textOf({ flagSet, key }: Place): string {
  return JSON.stringify([flagSet, key]);
}
