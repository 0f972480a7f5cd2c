import { padded, type Style, widthOf } from "../io.ts";

/** Rows under their heads, columns as wide as they must be, as kubectl sets them; the last one is not padded.
 * @param heads empty: none are shown */
export function tableOf(heads: readonly string[], rows: readonly (readonly string[])[], style: Style): string[] {
  const all = heads.length === 0 ? rows : [heads, ...rows];
  const columns = Math.max(0, ...all.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, i) => Math.max(0, ...all.map((row) => widthOf(row[i] ?? ""))));
  const lines = all.map((row) =>
    widths
      .map((width, i) => (i === columns - 1 ? (row[i] ?? "") : padded(row[i] ?? "", width)))
      .join("   ")
      .trimEnd(),
  );
  const [head, ...rest] = lines;
  return heads.length === 0 || head === undefined ? lines : [style.bold(head), ...rest];
}
