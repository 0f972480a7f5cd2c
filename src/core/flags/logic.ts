import type { Logic } from "./definition.ts";

/** Builders of JSONLogic that leave out what is certain, so that definitions stay as small as what they say. */

export const variable = (name: string): Logic => ({ var: name });

/** Whether all hold. */
export function all(conditions: readonly Logic[]): Logic {
  if (conditions.includes(false)) return false;
  const open = conditions.filter((condition) => condition !== true);
  if (open.length === 0) return true;
  return open.length === 1 ? (open[0] as Logic) : { and: open };
}

/** Whether any holds. */
export function any(conditions: readonly Logic[]): Logic {
  if (conditions.includes(true)) return true;
  const open = conditions.filter((condition) => condition !== false);
  if (open.length === 0) return false;
  return open.length === 1 ? (open[0] as Logic) : { or: open };
}

export function not(condition: Logic): Logic {
  return typeof condition === "boolean" ? !condition : { "!": [condition] };
}

/** The result of the first condition that holds, else `otherwise`; null is flagd's word for the default variant. */
export function choose(branches: readonly (readonly [condition: Logic, result: Logic])[], otherwise: Logic): Logic {
  const possible = branches.filter(([condition]) => condition !== false);
  const certain = possible.findIndex(([condition]) => condition === true);
  const open = certain === -1 ? possible : possible.slice(0, certain);
  const last = certain === -1 ? otherwise : (possible[certain]?.[1] ?? null);
  if (open.length === 0) return last;
  const further = last === null ? [] : isChoice(last) ? last.if : [last];
  return { if: [...open.flat(), ...further] };
}

function isChoice(logic: Logic): logic is { readonly if: readonly Logic[] } {
  return typeof logic === "object" && logic !== null && "if" in logic;
}

/** How many operators it has. Parts that are used twice count twice, as they are written out twice, but are counted once. */
export function operatorsIn(logic: Logic, sizes = new Map<object, number>()): number {
  if (typeof logic !== "object" || logic === null) return 0;
  const known = sizes.get(logic);
  if (known !== undefined) return known;
  const children: readonly Logic[] = Array.isArray(logic) ? logic : Object.values(logic);
  const size = children.reduce((sum: number, child) => sum + operatorsIn(child, sizes), Array.isArray(logic) ? 0 : 1);
  sizes.set(logic, size);
  return size;
}
