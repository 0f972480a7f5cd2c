import { GROUP, type JsonPatchOperation, type Route, type RouteRule } from "../../api/kubernetes.ts";
import { canonicalJson, shortHash } from "../../core/json.ts";

/**
 * The annotation remembers what we did to each rule; never a copy of it. Rules may be moved, renamed and edited while a pair
 * stands in them, so a note tells its rule by more than the position.
 */
export const ANNOTATION = `${GROUP}/route`;
export const MAX_WEIGHT = 1_000_000;

/** What we did to one rule. */
export interface RuleNote {
  readonly rule: number; // position when it was written
  readonly name?: string;
  readonly like: string; // a hash of what the rule says beside its backendRefs
  readonly factor: number; // by which all weights were multiplied
  readonly pair: number; // sum of both weights
  readonly canaryBp: number; // asked for; weights may be too coarse for it
  readonly absent: readonly string[]; // entries without a weight, see keysOf()
  readonly listed: boolean; // the author lists the canary Service himself
}

/** What the annotation says.
 * @returns undefined where there is none; no notes where nobody can read it */
export function notesOf(route: Route): readonly RuleNote[] | undefined {
  const text = route.metadata.annotations?.[ANNOTATION];
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? value.filter(isNote) : [];
  } catch {
    return [];
  }
}

/** Anyone may edit an annotation: what could not be ours is not believed. */
function isNote(value: unknown): value is RuleNote {
  if (typeof value !== "object" || value === null) return false;
  const { rule, name, like, factor, pair, canaryBp, absent, listed } = value as Record<keyof RuleNote, unknown>;
  return (
    isWhole(rule, 0, 10_000) &&
    (name === undefined || typeof name === "string") &&
    typeof like === "string" &&
    isWhole(factor, 1, MAX_WEIGHT) &&
    isWhole(pair, 0, MAX_WEIGHT) &&
    isWhole(canaryBp, 0, 10_000) &&
    Array.isArray(absent) &&
    absent.every((key) => typeof key === "string") &&
    typeof listed === "boolean"
  );
}

function isWhole(value: unknown, least: number, most: number): boolean {
  return Number.isInteger(value) && (value as number) >= least && (value as number) <= most;
}

/** A rule in which a pair may stand. */
export interface Candidate {
  readonly index: number;
  readonly rule: RouteRule;
  readonly pair: number; // sum of both weights, as they are
}

type Likeness = (note: RuleNote, candidate: Candidate) => boolean;

/** From the surest sign that a note speaks of a rule to the weakest. */
const LIKENESSES: readonly Likeness[] = [
  (note, { rule }) => note.name !== undefined && note.name === rule.name,
  (note, { index, rule }) => note.rule === index && note.like === likeOf(rule),
  (note, { rule }) => note.like === likeOf(rule),
  (note, { index, pair }) => note.rule === index && note.pair === pair,
  (note, { pair }) => note.pair === pair,
  (note, { index }) => note.rule === index,
];

/** Finds the note of each rule, by the rule's present position. */
export function matchNotes(notes: readonly RuleNote[], candidates: readonly Candidate[]): Map<number, RuleNote> {
  const found = new Map<number, RuleNote>();
  const open = new Set(notes);
  for (const likeness of LIKENESSES) {
    for (const note of open) {
      const candidate = candidates.find((c) => !found.has(c.index) && likeness(note, c));
      if (candidate === undefined) continue;
      found.set(candidate.index, note);
      open.delete(note);
    }
  }
  return found;
}

export function likeOf({ backendRefs: _backendRefs, name: _name, ...rest }: RouteRule): string {
  return shortHash(canonicalJson(rest));
}

/** Operations after which the route has these notes, and no annotation where there are none. */
export function annotationChange(route: Route, notes: readonly RuleNote[]): JsonPatchOperation[] {
  const before = route.metadata.annotations?.[ANNOTATION];
  const path = `/metadata/annotations/${ANNOTATION.replace("/", "~1")}`;
  if (notes.length === 0) return before === undefined ? [] : [{ op: "remove", path }];
  const value = JSON.stringify(notes);
  if (value === before) return [];
  if (route.metadata.annotations === undefined)
    return [{ op: "add", path: "/metadata/annotations", value: { [ANNOTATION]: value } }];
  return [{ op: "add", path, value }];
}
