import { type Document, isMap, isSeq, LineCounter, parseAllDocuments } from "yaml";
import type { Json } from "../../api/crd.ts";
import type { Finding } from "./structure.ts";

/** One object of a file, and where its parts stand. */
export interface Found {
  readonly file: string;
  readonly object: Json;
  /** The line at which a place begins, or the nearest place above it that there is. */
  lineOf(path: Finding["path"]): number;
}

/** Text that is no YAML, or no object. */
export interface Unreadable {
  readonly file: string;
  readonly line: number;
  readonly message: string;
}

/** Reads every object of a file; a List gives its items. JSON is YAML too. */
export function documentsOf(
  file: string,
  text: string,
): { readonly found: Found[]; readonly unreadable: Unreadable[] } {
  const lines = new LineCounter();
  const found: Found[] = [];
  const unreadable: Unreadable[] = [];
  for (const document of parseAllDocuments(text, { lineCounter: lines })) {
    const [error] = document.errors;
    if (error !== undefined) {
      const line = lines.linePos(error.pos[0]).line;
      unreadable.push({ file, line, message: (error.message.split("\n")[0] ?? "").replace(/ at line \d+.*$/, "") });
      continue;
    }
    const value = contentOf(document);
    if (value instanceof ReferenceError) {
      unreadable.push({ file, line: lineAt(document, [], lines), message: value.message });
      continue;
    }
    if (value === null || value === undefined) continue; // Nothing between two lines of dashes.
    found.push(...objectsIn(file, document, value, lines, []));
    if (typeof value !== "object" || Array.isArray(value))
      unreadable.push({ file, line: lineAt(document, [], lines), message: "is no object" });
  }
  return { found, unreadable };
}

/** @returns a ReferenceError where an alias names nothing, or aliases make far more of the text than it is */
function contentOf(document: Document): unknown {
  try {
    return document.toJS();
  } catch (error) {
    if (error instanceof ReferenceError) return error;
    throw error;
  }
}

function objectsIn(file: string, document: Document, value: unknown, lines: LineCounter, at: Finding["path"]): Found[] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [];
  const object = value as Json;
  if (object.kind === "List" && Array.isArray(object.items))
    return object.items.flatMap((item, i) => objectsIn(file, document, item, lines, ["items", i]));
  return [{ file, object, lineOf: (path) => lineAt(document, [...at, ...path], lines) }];
}

function lineAt(document: Document, path: Finding["path"], lines: LineCounter): number {
  let node: unknown = document.contents;
  let start = (node as { range?: readonly number[] } | null)?.range?.[0] ?? 0;
  for (const key of path) {
    const pair = isMap(node) ? node.items.find((item) => keyOf(item.key) === String(key)) : undefined;
    const next = pair?.value ?? (isSeq(node) && typeof key === "number" ? node.items[key] : undefined);
    const place = (pair?.key ?? next) as { range?: readonly number[] } | null | undefined;
    if (place?.range?.[0] === undefined) break;
    start = place.range[0];
    node = next;
  }
  return lines.linePos(start).line;
}

function keyOf(key: unknown): string {
  return String((key as { value?: unknown } | null)?.value ?? key);
}
