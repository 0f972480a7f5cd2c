import { readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import type { Row } from "./row.ts";

/** What the last saved run of one benchmark measured, and where. */
export interface Figures {
  readonly at: string; // the day
  readonly cores: number;
  readonly rows: readonly Row[];
}

const FILE = "test/bench/figures.json";

/** The saved figures by benchmark: the one place that pages take them from. */
export function readFigures(): Readonly<Record<string, Figures>> {
  return JSON.parse(readFileSync(FILE, "utf8")) as Record<string, Figures>;
}

export function saveFigures(name: string, rows: readonly Row[]): void {
  const at = new Date().toISOString().slice(0, 10);
  const figures = { ...readFigures(), [name]: { at, cores: cpus().length, rows } };
  writeFileSync(FILE, `${JSON.stringify(figures, undefined, 2)}\n`);
}
