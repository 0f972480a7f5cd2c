import { readFileSync } from "node:fs";
import { expect } from "vitest";

interface Vector {
  readonly id: string;
  readonly fn: string;
  // biome-ignore lint/suspicious/noExplicitAny: the inputs of eleven functions, each read by its own test.
  readonly input: any;
  // biome-ignore lint/suspicious/noExplicitAny: as above.
  readonly output: any;
}

const { vectors } = JSON.parse(readFileSync(new URL("vectors.json", import.meta.url), "utf8")) as { vectors: Vector[] };

/** The reference vectors of one function; their numbers hold to six digits. */
export function vectorsOf(fn: string): [string, Vector][] {
  const found = vectors.filter((vector) => vector.fn === fn);
  expect(found).not.toHaveLength(0);
  return found.map((vector) => [`${vector.id} ${vector.input.name ?? ""}`.trim(), vector]);
}

/** Names of all functions that have vectors. */
export const functions = new Set(vectors.map(({ fn }) => fn));

/** Compares numbers to six digits, and all else exactly. */
export function expectSame(actual: unknown, expected: unknown): void {
  if (typeof expected === "number") {
    expect(actual).toBeTypeOf("number");
    expect(Math.abs((actual as number) - expected)).toBeLessThanOrEqual(1e-6 * Math.max(Math.abs(expected), 1e-3));
  } else if (typeof expected === "object" && expected !== null) {
    for (const [key, value] of Object.entries(expected)) expectSame((actual as Record<string, unknown>)[key], value);
  } else {
    expect(actual).toEqual(expected);
  }
}
