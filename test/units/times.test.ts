import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatClock, formatDay, formatTime, parseTime } from "../../src/units/times.ts";

const time = new Date(2026, 0, 2, 3, 4, 5, 6).getTime();

describe("a time", () => {
  it("is shown as local time, to the millisecond", () => {
    expect(formatTime(time)).toBe("2026-01-02 03:04:05.006");
    expect(formatDay(time)).toBe("2026-01-02");
    expect(formatClock(time)).toBe("03:04:05.006");
  });

  it("can be parsed from its text form", () => {
    // Local times are ambiguous when a clock is set back, so these times exclude such days.
    const times = fc
      .integer({ min: 0, max: 86_399_999 })
      .map((after) => new Date(2026, 0, 2).getTime() + after);
    fc.assert(
      fc.property(times, (each) => {
        expect(parseTime(formatTime(each), 0)).toBe(each);
        expect(parseTime(formatClock(each), time)).toBe(each);
        expect(parseTime(new Date(each).toISOString(), 0)).toBe(each);
      }),
    );
  });

  it.each([
    ["3:04", new Date(2026, 0, 2, 3, 4).getTime()],
    ["2026-01-02", new Date(2026, 0, 2).getTime()],
    ["2026-01-02T03:04Z", Date.UTC(2026, 0, 2, 3, 4)],
  ])("may be %s", (text, read) => {
    expect(parseTime(text, time)).toBe(read);
  });

  it.each(["", "x", "12", "25:00:00:00", "12:99", "2026-13-45", "January 2"])("is not %j", (text) => {
    expect(parseTime(text, time)).toBeUndefined();
  });
});
