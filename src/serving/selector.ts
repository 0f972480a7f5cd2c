/** Which flag set a request is about. `Flagd-Selector: flagSetId=shop`, as flagd has it; `source=shop` and a bare `shop` are
 * what older clients send, and mean the same here. */
export const SELECTOR_HEADER = "flagd-selector";

export type Selection =
  | { readonly kind: "flagSet"; readonly name: string }
  | { readonly kind: "none" }
  | { readonly kind: "refused"; readonly message: string };

const LONGEST = 512;
/** A namespace, or a path that begins with one. */
const FLAG_SET = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\/[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)*$/;

/** @param values of the header and of the message's own field, in that order: the first one that says something counts */
export function parseSelector(...values: readonly (string | undefined)[]): Selection {
  const value = values.find((v) => v !== undefined && v.trim() !== "")?.trim();
  if (value === undefined) return { kind: "none" };
  const [name, key] = splitPair(value);
  if (key !== undefined && key !== "flagSetId" && key !== "source")
    return refused(`a selector names a flag set, flagSetId=<name> (got ${shown(value)})`);
  if (name.length > LONGEST || !FLAG_SET.test(name))
    return refused(`a flag set is named by its namespace, or by a path that begins with it (got ${shown(name)})`);
  return { kind: "flagSet", name };
}

function splitPair(value: string): [name: string, key: string | undefined] {
  const equals = value.indexOf("=");
  return equals < 0 ? [value, undefined] : [value.slice(equals + 1).trim(), value.slice(0, equals).trim()];
}

function refused(message: string): Selection {
  return { kind: "refused", message };
}

function shown(value: string): string {
  return JSON.stringify(value.slice(0, 80));
}
