/** A file, folder or link of an archive. All belong to root and are of the first second of 1970: equal content gives equal bytes. */
export type Entry =
  | { readonly kind: "file"; readonly path: string; readonly mode: number; readonly data: Buffer }
  | { readonly kind: "folder"; readonly path: string; readonly mode: number }
  | { readonly kind: "link"; readonly path: string; readonly target: string };

const BLOCK = 512;
const TYPE = { file: "0", link: "2", folder: "5" };

/** A POSIX (ustar) archive of the entries in the order of their paths, each folder above them made.
 * @throws Error on a path of more than 100 bytes */
export function tarOf(entries: readonly Entry[]): Buffer {
  const all = new Map<string, Entry>();
  for (const entry of entries) {
    const parts = entry.path.split("/");
    for (let i = 1; i < parts.length; i++) {
      const path = parts.slice(0, i).join("/");
      if (!all.has(path)) all.set(path, { kind: "folder", path, mode: 0o755 });
    }
    all.set(entry.path, entry);
  }
  const inOrder = [...all.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
  return Buffer.concat([...inOrder.flatMap(blocksOf), Buffer.alloc(2 * BLOCK)]);
}

function blocksOf(entry: Entry): Buffer[] {
  const data = entry.kind === "file" ? entry.data : Buffer.alloc(0);
  const padding = Buffer.alloc((BLOCK - (data.length % BLOCK)) % BLOCK);
  return [headerOf(entry, data.length), data, padding];
}

function headerOf(entry: Entry, size: number): Buffer {
  const header = Buffer.alloc(BLOCK);
  const path = entry.kind === "folder" ? `${entry.path}/` : entry.path;
  if (Buffer.byteLength(path) > 100) throw new Error(`${path} is too long for an archive: at most 100 bytes`);
  const octal = (value: number, digits: number) => `${value.toString(8).padStart(digits, "0")}\0`;
  const mode = entry.kind === "link" ? 0o777 : entry.mode;
  header.write(path, 0);
  header.write(octal(mode, 7) + octal(0, 7) + octal(0, 7) + octal(size, 11) + octal(0, 11), 100);
  header.write("        ", 148); // The checksum is taken with blanks in its place.
  header.write(TYPE[entry.kind], 156);
  if (entry.kind === "link") header.write(entry.target, 157);
  header.write("ustar\x0000", 257);
  header.write(
    `${header
      .reduce((sum, byte) => sum + byte, 0)
      .toString(8)
      .padStart(6, "0")}\0 `,
    148,
  );
  return header;
}
