import type { Json } from "../../api/crd.ts";
import type { FeatureFlag } from "../../api/feature-flag.ts";
import type { FlagSegment } from "../../api/flag-segment.ts";
import { lintDeeper, type Neighbours } from "./deeper.ts";
import { documentsOf, type Found } from "./documents.ts";
import { lintObject, pathSaid } from "./object.ts";

/** One mistake, where it stands, and in whose words. */
export interface Mistake {
  readonly file: string;
  readonly line: number;
  /** `Rollout "web"`; empty where the text is no object. */
  readonly object: string;
  readonly path: string;
  readonly message: string;
}

export interface Linted {
  readonly mistakes: readonly Mistake[];
  /** Objects of ours that were looked at, and those of others that were passed over. */
  readonly objects: number;
  readonly others: number;
}

/** Looks at every object of every file, and tells all that is wrong at once. Pure.
 * @param files by name, their text
 * @param nowMs milliseconds since the epoch: a schedule may be over */
export function lintFiles(files: ReadonlyMap<string, string>, nowMs: number): Linted {
  const names = [...files.keys()];
  const read = [...files].map(([file, text]) => documentsOf(file, text));
  const all = read.flatMap(({ found }) => found);
  const looked = all.flatMap((found) => {
    const findings = lintObject(found.object);
    return findings === undefined ? [] : [{ found, findings }];
  });
  const neighbours = neighboursIn(looked.filter(({ findings }) => findings.length === 0).map(({ found }) => found));
  const mistakes = looked.flatMap(({ found, findings }) => {
    const told = findings.length > 0 ? findings : lintDeeper(found.object, neighbours, nowMs);
    return told.map(({ path, message }): Mistake => {
      const { file, object } = found;
      return { file, line: found.lineOf(path), object: nameOf(object), path: pathSaid(path), message };
    });
  });
  const unreadable = read
    .flatMap((one) => one.unreadable)
    .map(({ file, line, message }): Mistake => ({ file, line, object: "", path: "", message }));
  return {
    mistakes: [...unreadable, ...mistakes].sort(
      (a, b) => names.indexOf(a.file) - names.indexOf(b.file) || a.line - b.line,
    ),
    objects: looked.length,
    others: all.length - looked.length,
  };
}

function nameOf({ kind, metadata }: Json): string {
  const name = (metadata as { name?: unknown } | undefined)?.name;
  return `${String(kind)}${name === undefined ? "" : ` "${String(name)}"`}`;
}

function neighboursIn(found: readonly Found[]): Neighbours {
  const ofKind = (kind: string) => found.filter(({ object }) => object.kind === kind).map(({ object }) => object);
  const segments = ofKind("FlagSegment") as unknown as FlagSegment[];
  const flags = ofKind("FeatureFlag") as unknown as FeatureFlag[];
  return {
    segments: new Map(segments.map((segment) => [segment.metadata.name, segment])),
    flags: new Map(flags.map((flag) => [flag.spec.key ?? flag.metadata.name, flag])),
  };
}
