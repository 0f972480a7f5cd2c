/** When a ramp may advance. A way back never asks. */

export interface Schedule {
  readonly notBefore?: string; // RFC 3339
  /** Parts of the week, by the clock of a time zone; none: always. */
  readonly windows?: readonly Window[];
  readonly freezes?: readonly { readonly from: string; readonly to: string; readonly reason?: string }[];
}

interface Window {
  readonly days?: readonly string[]; // mon … sun; none: every day
  readonly from: string; // HH:MM
  readonly to: string; // HH:MM, the first minute that is outside; 24:00 is the end of the day
  readonly timeZone?: string; // of the time zone database; UTC unless said
}

export type Opening =
  | { readonly kind: "open" }
  | {
      readonly kind: "closed";
      readonly reason: "NotBefore" | "Frozen" | "OutsideWindows";
      readonly message: string;
      /** When to look again: it opens then, or is closed for another reason. */
      readonly untilMs: number;
    };

/** Whether a ramp may advance at `nowMs`, and if not, why and until when. Pure: what a clock shows in a time zone is a
 * function of the instant. Some times the API server reads, an offset of 24 hours say, and JavaScript does not: what holds
 * back until then, or from then on, holds.
 * @throws RangeError where a time zone is unknown */
export function openingAt(schedule: Schedule | undefined, nowMs: number): Opening {
  const notBefore = schedule?.notBefore;
  if (notBefore !== undefined && !(Date.parse(notBefore) <= nowMs))
    return closed("NotBefore", `the ramp begins at ${notBefore}`, endOf(notBefore, nowMs));
  const freeze = schedule?.freezes?.find(({ from, to }) => !(nowMs < Date.parse(from)) && !(Date.parse(to) <= nowMs));
  if (freeze !== undefined) {
    const why = freeze.reason === undefined ? "" : ` (${freeze.reason})`;
    return closed("Frozen", `frozen until ${freeze.to}${why}`, endOf(freeze.to, nowMs));
  }
  const windows = schedule?.windows ?? [];
  if (windows.length === 0 || windows.some((window) => isWithin(window, nowMs))) return { kind: "open" };
  const untilMs = Math.min(...windows.map((window) => nextOpeningMs(window, nowMs)));
  return closed("OutsideWindows", `outside the windows of the schedule until ${iso(untilMs)}`, untilMs);
}

/** What cannot be read is looked at again a day on. */
function endOf(time: string, nowMs: number): number {
  const ms = Date.parse(time);
  return Number.isNaN(ms) ? nowMs + DAY_MS : ms;
}

function closed(reason: Extract<Opening, { kind: "closed" }>["reason"], why: string, untilMs: number): Opening {
  return { kind: "closed", reason, message: `holding: ${why}`, untilMs };
}

function iso(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 16)}Z`;
}

function isWithin({ days, from, to, timeZone }: Window, nowMs: number): boolean {
  const local = localTime(nowMs, timeZone);
  const isDay = days === undefined || days.includes(DAYS[local.getUTCDay()] as string);
  const minute = local.getUTCHours() * 60 + local.getUTCMinutes();
  return isDay && minuteOf(from) <= minute && minute < minuteOf(to);
}

/** The next beginning of a window after `nowMs`. One that falls into the hour that a clock leaves out begins up to an hour
 * later here than by that clock. */
function nextOpeningMs({ days, from, timeZone }: Window, nowMs: number): number {
  const today = localTime(nowMs, timeZone);
  for (let ahead = 0; ahead <= 8; ahead++) {
    const day = new Date(Date.UTC(today.getUTCFullYear(), today.getUTCMonth(), today.getUTCDate() + ahead));
    if (days !== undefined && !days.includes(DAYS[day.getUTCDay()] as string)) continue;
    const opensMs = instantOf(day.getTime() + minuteOf(from) * MINUTE_MS, timeZone);
    if (opensMs > nowMs) return opensMs;
  }
  return nowMs + DAY_MS; // A window without a day, or with one that is none: a day on it is looked at again.
}

const DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"] as const;
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

/** "09:30" is 570. */
function minuteOf(time: string): number {
  const [hours, minutes] = time.split(":");
  return Number(hours) * 60 + Number(minutes);
}

/** What the clock of a time zone shows, as a Date whose UTC fields are what is shown. */
function localTime(ms: number, timeZone = "UTC"): Date {
  return new Date(ms + offsetMs(ms, timeZone));
}

/** The instant at which the clock of a time zone shows `localMs`; of two the first. */
function instantOf(localMs: number, timeZone = "UTC"): number {
  const before = localMs - offsetMs(localMs - DAY_MS, timeZone);
  const after = localMs - offsetMs(localMs + DAY_MS, timeZone);
  return [before, after].sort((a, b) => a - b).find((ms) => ms + offsetMs(ms, timeZone) === localMs) ?? before;
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** How far the clock of a time zone is ahead of UTC at an instant. */
function offsetMs(ms: number, timeZone: string): number {
  const format = formats.get(timeZone) ?? new Intl.DateTimeFormat("en-US", { timeZone, timeZoneName: "longOffset" });
  formats.set(timeZone, format);
  const name = format.formatToParts(ms).find(({ type }) => type === "timeZoneName")?.value ?? "GMT";
  const match = /^GMT([+-])(\d{2}):(\d{2})(?::(\d{2}))?$/.exec(name);
  if (match === null) return 0; // "GMT" alone.
  const [, sign, hours, minutes, seconds = "0"] = match;
  return (sign === "-" ? -1_000 : 1_000) * (Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds));
}
