/** The time axis of the lanes. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  moved,
  shareOf,
  ticksOf,
  timeAt,
  within,
  zoomed,
} from "../../../src/inspector/page/lanes/timeAxis.ts";

const at = (text: string) => new Date(text).getTime();
const whole = { from: 1_700_000_000_000, to: 1_700_000_100_000 };

/** A window within the whole time span. */
const anyWindow = fc
  .tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 0.001, max: 1, noNaN: true }))
  .map(([begin, length]) => within(whole, { from: timeAt(whole, begin), to: timeAt(whole, begin + length) }));
const isInside = ({ from, to }: typeof whole) => {
  expect(from).toBeGreaterThanOrEqual(whole.from);
  expect(to).toBeLessThanOrEqual(whole.to + 1e-3);
  expect(to - from).toBeGreaterThan(19.9);
};

describe("a window", () => {
  it("stays within the whole span however it is zoomed and moved", () => {
    fc.assert(
      fc.property(
        anyWindow,
        fc.double({ min: 0.001, max: 50, noNaN: true }),
        fc.double({ min: -9, max: 9, noNaN: true }),
        (window, factor, shares) => {
          isInside(zoomed(whole, window, factor));
          isInside(moved(whole, window, shares));
        },
      ),
    );
  });

  it("is zoomed around a fixed time, as far as the span allows", () => {
    const window = { from: whole.from + 40_000, to: whole.from + 60_000 };
    const around = whole.from + 45_000;
    for (const factor of [0.1, 0.5, 1.5]) {
      const next = zoomed(whole, window, factor, around);
      expect(shareOf(next, around)).toBeCloseTo(shareOf(window, around), 6);
      expect(next.to - next.from).toBeCloseTo(20_000 * factor, 3);
    }
    expect(zoomed(whole, window, 100)).toEqual(whole);
  });
});

describe("ticks", () => {
  it("are round local times, with as many units as needed", () => {
    const labels = (from: string, to: string, most: number) =>
      ticksOf({ from: at(from), to: at(to) }, most).map(({ label }) => label);
    expect(labels("2026-11-24T16:05:09.100", "2026-11-24T16:05:09.300", 4)).toEqual([
      "16:05:09.100",
      "16:05:09.150",
      "16:05:09.200",
      "16:05:09.250",
      "16:05:09.300",
    ]);
    expect(labels("2026-11-24T16:05:09", "2026-11-24T16:06:59", 4)).toEqual([
      "16:05:30",
      "16:06:00",
      "16:06:30",
    ]);
    expect(labels("2026-11-24T22:10", "2026-11-25T03:50", 6)).toEqual([
      "23:00",
      "2026-11-25",
      "01:00",
      "02:00",
      "03:00",
    ]);
    expect(labels("2026-11-24T05:00", "2026-11-28T05:00", 5)).toEqual([
      "2026-11-25",
      "2026-11-26",
      "2026-11-27",
      "2026-11-28",
    ]);
  });

  it("are in the window, in order, and fit into it", () => {
    const anySpan = fc.tuple(fc.integer({ min: 0, max: 4e12 }), fc.integer({ min: 20, max: 1e12 }));
    fc.assert(
      fc.property(anySpan, fc.integer({ min: 1, max: 20 }), ([from, length], most) => {
        const times = ticksOf({ from, to: from + length }, most).map(({ time }) => time);
        expect(times.length).toBeLessThanOrEqual(most + 2);
        expect(times).toEqual([...new Set(times)].sort((a, b) => a - b));
        for (const time of times) expect(time).toBeGreaterThanOrEqual(from);
        for (const time of times) expect(time).toBeLessThanOrEqual(from + length);
      }),
    );
  });
});
