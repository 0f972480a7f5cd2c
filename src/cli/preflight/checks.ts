import { CONFIG_MAPS_UNREAD } from "../../core/gates/evaluate.ts";
import type { GateAnswer } from "../../core/gates/model.ts";
import type { Reference } from "./references.ts";

/** One of the five things to look at before a release. */
export interface Check {
  readonly name: "tests" | "coverage" | "flags" | "configuration" | "environment";
  /** "skipped": the spec asks for nothing of the kind. */
  readonly outcome: "passed" | "failed" | "skipped";
  readonly message: string;
  /** What is wrong, each with what to do. */
  readonly problems: readonly string[];
}

/** What was looked for in the cluster, and how it was found. */
export type Finding =
  | { readonly kind: "there"; readonly keys?: readonly string[] }
  | { readonly kind: "missing" }
  | { readonly kind: "forbidden" };

/** What is known of the surroundings: each a sentence on what is wrong and what to do. */
export interface Surroundings {
  readonly problems: readonly string[];
  /** What is right, in words. */
  readonly seen: readonly string[];
}

/** A check by its gates: all that are of its kind must be open.
 * @param told by the operator, of a release that waits: it may not read what a person may */
export function gateCheck(
  name: "tests" | "coverage" | "flags",
  answers: readonly GateAnswer[],
  told: readonly { readonly kind: string; readonly message: string }[] = [],
): Check {
  const own = answers.filter(({ kind }) => kind === name);
  if (own.length === 0)
    return { name, outcome: "skipped", message: `not asked for: spec.gates has no gate of ${name}`, problems: [] };
  const closed = own.filter(({ open }) => !open).map(({ message, wanted }) => `${message}; wanted: ${wanted}`);
  const isBlind = told.some(({ kind, message }) => kind === name && message === CONFIG_MAPS_UNREAD);
  const problems = isBlind ? [...closed, CONFIG_MAPS_UNREAD] : closed;
  const message = own
    .map(({ value, wanted }) => `${value === "" ? "nothing found" : value}, wanted: ${wanted}`)
    .join("; ");
  return { name, outcome: problems.length === 0 ? "passed" : "failed", message, problems };
}

/** Whether everything exists that the pods refer to, with its keys. What may not be looked at is not taken for granted. */
export function configurationCheck(references: readonly Reference[], find: (reference: Reference) => Finding): Check {
  const problems = references.flatMap((reference) => {
    const { kind, name, key, where } = reference;
    const finding = find(reference);
    if (finding.kind === "missing") return [`${kind} "${name}" does not exist (${where}); create it`];
    if (finding.kind === "forbidden")
      return [`you may not read ${kind} "${name}" (${where}); ask for the right, or let someone look who has it`];
    const lacks = key !== undefined && finding.keys !== undefined && !finding.keys.includes(key);
    return lacks
      ? [`${kind} "${name}" has no key "${key}" (${where}); it has ${finding.keys.join(", ") || "none"}`]
      : [];
  });
  const unique = [...new Set(problems)];
  const names = new Set(references.map(({ kind, name }) => `${kind}/${name}`));
  const message =
    references.length === 0
      ? "the template refers to nothing"
      : `${names.size} object${names.size === 1 ? "" : "s"} that the template refers to`;
  return { name: "configuration", outcome: unique.length === 0 ? "passed" : "failed", message, problems: unique };
}

export function environmentCheck({ problems, seen }: Surroundings): Check {
  return {
    name: "environment",
    outcome: problems.length === 0 ? "passed" : "failed",
    message: seen.join(", "),
    problems,
  };
}
