import { type Logger, pino } from "pino";

export type { Logger };
export type LogLevel = "debug" | "info" | "warn" | "error";

/** A logger that writes one line an event: JSON, or text for people.
 * @param to where JSON goes: a path, or the number of an open file; standard error unless said otherwise */
export function createLog(level: LogLevel, format: "json" | "text", to: string | number = 2): Logger {
  const options = {
    level,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  if (format === "json") return pino(options, pino.destination(to));
  return pino(options, { write: (line: string) => void process.stderr.write(textOf(line)) });
}

function textOf(line: string): string {
  const { time, level, msg, ...rest } = JSON.parse(line) as Record<string, unknown>;
  const fields = Object.entries(rest).map(
    ([key, value]) => ` ${key}=${typeof value === "string" ? JSON.stringify(value) : JSON.stringify(value)}`,
  );
  return `${String(time).slice(11, 23)} ${String(level).padEnd(5)} ${msg}${fields.join("")}\n`;
}
