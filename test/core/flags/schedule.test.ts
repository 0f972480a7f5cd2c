import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { openingAt, type Schedule } from "../../../src/core/flags/schedule.ts";

const at = (text: string) => Date.parse(text);
const berlin = (from: string, to: string, ...days: string[]): Schedule => ({
  windows: [{ from, to, timeZone: "Europe/Berlin", ...(days.length === 0 ? {} : { days }) }],
});

describe("openingAt()", () => {
  const table: Record<string, { schedule: Schedule | undefined; now: string; open: boolean; until?: string }> = {
    "is always open without a schedule": { schedule: undefined, now: "2026-03-01T00:00:00Z", open: true },
    "is closed before notBefore": {
      schedule: { notBefore: "2026-03-02T08:00:00Z" },
      now: "2026-03-02T07:59:59Z",
      open: false,
      until: "2026-03-02T08:00:00Z",
    },
    "is open from notBefore on": {
      schedule: { notBefore: "2026-03-02T08:00:00Z" },
      now: "2026-03-02T08:00:00Z",
      open: true,
    },
    "is closed before a time that the API server could read, and JavaScript cannot": {
      schedule: { notBefore: "2026-03-02T08:00:00+24:00" },
      now: "2026-03-02T08:00:00Z",
      open: false,
      until: "2026-03-03T08:00:00Z",
    },
    "is closed in a freeze whose end cannot be read, once it has begun": {
      schedule: { freezes: [{ from: "2026-12-20T00:00:00Z", to: "2027-01-04T00:00:00,5Z" }] },
      now: "2026-12-24T12:00:00Z",
      open: false,
      until: "2026-12-25T12:00:00Z",
    },
    "is closed in a freeze whose beginning cannot be read, until it ends": {
      schedule: { freezes: [{ from: "2026-12-20T00:00:00,5Z", to: "2027-01-04T00:00:00Z" }] },
      now: "2026-12-24T12:00:00Z",
      open: false,
      until: "2027-01-04T00:00:00Z",
    },
    "is closed in a freeze, whatever the windows say": {
      schedule: {
        windows: [{ from: "00:00", to: "24:00" }],
        freezes: [{ from: "2026-12-20T00:00:00Z", to: "2027-01-04T00:00:00Z", reason: "year's end" }],
      },
      now: "2026-12-24T12:00:00Z",
      open: false,
      until: "2027-01-04T00:00:00Z",
    },
    "is open as a freeze ends": {
      schedule: { freezes: [{ from: "2026-12-20T00:00:00Z", to: "2027-01-04T00:00:00Z" }] },
      now: "2027-01-04T00:00:00Z",
      open: true,
    },
    "goes by the clock of the zone in winter": {
      schedule: berlin("09:00", "17:00"),
      now: "2026-01-12T08:00:00Z",
      open: true,
    },
    "goes by the clock of the zone in summer": {
      schedule: berlin("09:00", "17:00"),
      now: "2026-07-13T07:00:00Z",
      open: true,
    },
    "opens an hour earlier by UTC in summer": {
      schedule: berlin("09:00", "17:00"),
      now: "2026-07-13T06:59:59Z",
      open: false,
      until: "2026-07-13T07:00:00Z",
    },
    "is closed from the minute of `to` on, and opens the next day": {
      schedule: berlin("09:00", "17:00"),
      now: "2026-01-12T16:00:00Z",
      open: false,
      until: "2026-01-13T08:00:00Z",
    },
    "waits over the weekend": {
      schedule: berlin("09:00", "17:00", "mon", "tue", "wed", "thu", "fri"),
      now: "2026-01-16T16:30:00Z", // A Friday.
      open: false,
      until: "2026-01-19T08:00:00Z",
    },
    "waits over the weekend in which the clocks go forward": {
      schedule: berlin("09:00", "17:00", "mon"),
      now: "2026-03-27T12:00:00Z",
      open: false,
      until: "2026-03-30T07:00:00Z",
    },
    "knows the day of the zone, not of UTC": {
      schedule: { windows: [{ days: ["tue"], from: "00:00", to: "24:00", timeZone: "Pacific/Auckland" }] },
      now: "2026-01-12T11:00:00Z", // Tuesday 00:00 there.
      open: true,
    },
    "is open within the hour that a clock shows twice": {
      schedule: berlin("02:00", "03:00"),
      now: "2026-10-25T01:30:00Z", // 02:30 for the second time.
      open: true,
    },
    "opens with the nearest of several windows": {
      schedule: {
        windows: [
          { from: "20:00", to: "22:00" },
          { from: "06:00", to: "07:00" },
        ],
      },
      now: "2026-01-12T12:00:00Z",
      open: false,
      until: "2026-01-12T20:00:00Z",
    },
    "knows zones that are off by a quarter of an hour": {
      schedule: { windows: [{ from: "09:00", to: "10:00", timeZone: "Asia/Kathmandu" }] },
      now: "2026-01-12T03:14:00Z",
      open: false,
      until: "2026-01-12T03:15:00Z",
    },
  };
  test.each(Object.entries(table))("%s", (_, { schedule, now, open, until }) => {
    const opening = openingAt(schedule, at(now));
    expect(opening.kind).toBe(open ? "open" : "closed");
    expect(opening.kind === "closed" ? opening.untilMs : undefined).toBe(until === undefined ? undefined : at(until));
  });

  test("says why", () => {
    const freezes = [{ from: "2026-12-20T00:00:00Z", to: "2027-01-04T00:00:00Z", reason: "year's end" }];
    expect(openingAt({ freezes }, at("2026-12-24T12:00:00Z"))).toMatchObject({
      reason: "Frozen",
      message: "holding: frozen until 2027-01-04T00:00:00Z (year's end)",
    });
    expect(openingAt(berlin("09:00", "17:00"), at("2026-01-12T20:00:00Z"))).toMatchObject({
      reason: "OutsideWindows",
      message: "holding: outside the windows of the schedule until 2026-01-13T08:00Z",
    });
  });

  test("says the very instant at which it opens, in any week of the year", () => {
    const time = fc.integer({ min: 4 * 60, max: 1_439 }); // No clock jumps after four in the morning.
    const text = (minute: number) =>
      `${String(Math.floor(minute / 60)).padStart(2, "0")}:${String(minute % 60).padStart(2, "0")}`;
    const window = fc
      .tuple(time, time, fc.subarray(["mon", "tue", "wed", "thu", "fri", "sat", "sun"], { minLength: 1 }))
      .filter(([from, to]) => from < to)
      .map(([from, to, days]) => ({ from: text(from), to: text(to), days }));
    const zone = fc.constantFrom("UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe");
    const now = fc.integer({ min: at("2026-01-01T00:00:00Z"), max: at("2027-01-01T00:00:00Z") });
    fc.assert(
      fc.property(fc.array(window, { minLength: 1, maxLength: 3 }), zone, now, (windows, timeZone, nowMs) => {
        const schedule = { windows: windows.map((one) => ({ ...one, timeZone })) };
        const opening = openingAt(schedule, nowMs);
        if (opening.kind === "open") return;
        expect(opening.untilMs).toBeGreaterThan(nowMs);
        expect(openingAt(schedule, opening.untilMs).kind).toBe("open");
        expect(openingAt(schedule, opening.untilMs - 1).kind).toBe("closed");
      }),
    );
  });

  test("an unknown zone is an error, not a guess", () => {
    expect(() => openingAt({ windows: [{ from: "09:00", to: "10:00", timeZone: "Mars/Olympus" }] }, 0)).toThrow(
      RangeError,
    );
  });
});
