import { stringify } from "yaml";
import { CliError } from "../errors.ts";

export const FORMATS = ["json", "yaml"] as const;
export type Format = (typeof FORMATS)[number];

/** What `-o` may say beside a table.
 * @throws CliError with what is accepted */
export function formatOf<T extends string>(asked: string | undefined, accepted: readonly T[]): T | undefined {
  if (asked === undefined) return undefined;
  if ((accepted as readonly string[]).includes(asked)) return asked as T;
  throw new CliError(`-o must be one of ${accepted.join(", ")} (got "${asked}")`);
}

export function renderData(value: unknown, format: Format): string {
  return format === "json" ? JSON.stringify(value, undefined, 2) : stringify(value, { lineWidth: 0 }).trimEnd();
}

/** Objects as kubectl prints several: a List. */
export function listOf(items: readonly unknown[]): object {
  return { apiVersion: "v1", kind: "List", items };
}
