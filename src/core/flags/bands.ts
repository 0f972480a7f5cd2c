import { type Weight, WHOLE } from "./settings.ts";

/**
 * Where each variant lies on the line from 0 to 100 000, on which every user's key has one fixed place.
 *
 * A user moves only if the band under that place changes, so a treatment must grow into the control's room alone. Two
 * treatments grow towards each other from both ends, and no growth of either can move the other's users:
 *
 *     a a a ▸ · · · · · · · · · · · · ◂ b b      · = control
 *
 * For more, the line is cut into segments, each shared by two in the same way:
 *
 *     a a ▸ · · · · ◂ d │ c c ▸ · · · · ◂ b
 *
 * Growth then moves nobody as long as the two of each segment fit into it, so always up to an even split. A treatment that
 * outgrows its segment takes what control is left elsewhere. No layout could do without: of three treatments any two may have
 * 50 % each, so each would need a half of the line for itself, and there are no three halves.
 */
export interface Band {
  readonly variant: string;
  readonly parts: number;
}

/** The bands of a split, from 0 to 100 000, empty ones left out.
 * @param weights of every variant that has one, in the order in which the author wrote them; they sum to 100 000
 * @param control gets what no treatment takes
 * @example bandsOf([{ variant: "a", parts: 10_000 }, { variant: "b", parts: 10_000 }, …], "off") // a 10 000, off 80 000, b 10 000 */
export function bandsOf(weights: readonly Weight[], control: string): Band[] {
  const treatments = weights.filter(({ variant }) => variant !== control);
  const line = new Line();
  const homes = homesOf(treatments.length);
  const left = treatments.map(({ variant, parts }, i) => line.fill(homes[i] as Home, variant, parts));
  treatments.forEach(({ variant }, i) => {
    line.fill({ from: 0, to: WHOLE, direction: "up" }, variant, left[i] ?? 0);
  });
  return line.bands(control);
}

interface Home {
  readonly from: number;
  readonly to: number;
  readonly direction: "up" | "down";
}

/** One end of a segment for each treatment: the first up from 0, the second down from 100 000, so that up to two of them never
 * meet; then the ends between. */
function homesOf(treatments: number): Home[] {
  const segments = Math.max(1, Math.ceil(treatments / 2));
  const edge = (i: number) => Math.round((i * WHOLE) / segments);
  const ends = Array.from({ length: segments }, (_, i) => ({ from: edge(i), to: edge(i + 1) }));
  const up = ends.map((end): Home => ({ ...end, direction: "up" }));
  const down = ends.map((end): Home => ({ ...end, direction: "down" })).reverse();
  return up.flatMap((home, i) => [home, down[i] as Home]);
}

/** Stretches of the line that are taken, in order. */
class Line {
  #taken: { from: number; to: number; variant: string }[] = [];

  /** Gives a variant what is free of its home, from its end on.
   * @returns the parts for which there was no room */
  fill(home: Home, variant: string, parts: number): number {
    let left = parts;
    const free = this.#free(home);
    for (const { from, to } of home.direction === "up" ? free : free.reverse()) {
      const take = Math.min(left, to - from);
      if (take === 0) continue;
      const stretch = home.direction === "up" ? { from, to: from + take } : { from: to - take, to };
      this.#taken.push({ ...stretch, variant });
      left -= take;
    }
    this.#taken.sort((a, b) => a.from - b.from);
    return left;
  }

  bands(control: string): Band[] {
    const all = [
      ...this.#taken,
      ...this.#free({ from: 0, to: WHOLE }).map((gap) => ({ ...gap, variant: control })),
    ].sort((a, b) => a.from - b.from);
    const bands: Band[] = [];
    for (const { from, to, variant } of all) {
      const last = bands.at(-1);
      if (last?.variant === variant) bands.splice(-1, 1, { variant, parts: last.parts + to - from });
      else bands.push({ variant, parts: to - from });
    }
    return bands;
  }

  #free({ from, to }: { readonly from: number; readonly to: number }): { from: number; to: number }[] {
    const edges = [from, ...this.#taken.flatMap((s) => [clamp(s.from, from, to), clamp(s.to, from, to)]), to];
    const gaps = edges.flatMap((edge, i) => (i % 2 === 0 ? [{ from: edge, to: edges[i + 1] ?? to }] : []));
    return gaps.filter((gap) => gap.from < gap.to);
  }
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(Math.max(value, least), most);
}
