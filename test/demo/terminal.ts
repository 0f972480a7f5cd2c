/** Words for people: colour only on a terminal, and not where NO_COLOR asks for none. */
const coloured = process.stdout.isTTY === true && process.env.NO_COLOR === undefined;

function colour(code: number): (text: string) => string {
  return (text) => (coloured ? `\u001b[${code}m${text}\u001b[0m` : text);
}

export const green = colour(32);
export const red = colour(31);
export const dim = colour(2);
export const bold = colour(1);

export function say(line = ""): void {
  process.stdout.write(`${line}\n`);
}

/** "  12 s", from milliseconds. */
export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`;
}

/** Says what is being done, and when it is done how long it took. */
export async function task<T>(what: string, work: () => Promise<T>): Promise<T> {
  const startedMs = performance.now();
  if (coloured) process.stdout.write(dim(`  … ${what}`));
  try {
    const result = await work();
    say(`${coloured ? "\r\u001b[2K" : ""}  ${green("✓")} ${what} ${dim(seconds(performance.now() - startedMs))}`);
    return result;
  } catch (error) {
    say(`${coloured ? "\r\u001b[2K" : ""}  ${red("✗")} ${what}`);
    throw error;
  }
}

/** Rows under a head, each column as wide as its widest cell. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    cells.map((cell, i) => (i === cells.length - 1 ? cell : cell.padEnd(widths[i] ?? 0))).join("  ");
  return [bold(line(head)), ...rows.map(line)].map((text) => `  ${text}`).join("\n");
}

/** Tells how something moves, a line a change; the clock starts at `startedMs`. */
export function narrator(startedMs: number): (phase: string, step?: string, share?: string, message?: string) => void {
  let told = "";
  return (phase, step = "-", share = "", message = "") => {
    const line = `${phase.padEnd(11)} ${`step ${step}`.padEnd(9)} ${share.padStart(5)}  ${message}`;
    const news = `${phase} ${share} ${message.replace(/\d+/g, "")}`;
    if (news === told) return; // Only a count went on.
    told = news;
    say(`    ${dim(seconds(performance.now() - startedMs).padStart(6))}  ${line}`);
  };
}

/** What stops the parts that were started, in the order in which they were. */
export type Stops = (() => Promise<void>)[];
