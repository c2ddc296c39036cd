/** Moves of the debugger: searches, and places that a person types. */
import { describe, expect, it } from "vitest";
import { DriverError } from "../../../src/base/errors.ts";
import { placeIn, seek } from "../../../src/cli/debugger/moves.ts";
import { isOfType, type MomentTest } from "../../../src/history/replay/search.ts";
import { formatTime } from "../../../src/units/times.ts";
import { event, life } from "../../support/history/history.ts";
import { historyOf } from "../../support/screen/debuggerView.ts";

/**
 * The events, in order: requested fingerprinted sandboxed started stopRequested signalled stopTimedOut
 * forceKilled exited destroyed
 */
const history = historyOf(life("killed"));
const never: MomentTest = () => false;

describe("a search for a moment", () => {
  it("finds the nearest one in either direction", () => {
    expect(seek(history, 1, 1, isOfType("signalled"))).toEqual({ kind: "found", seq: 6 });
    expect(seek(history, 9, -1, isOfType("signalled"))).toEqual({ kind: "found", seq: 6 });
    expect(seek(history, 6, 1, isOfType("signalled"))).toEqual({ kind: "nowhere" });
    expect(seek(history, 11, -1, () => true)).toEqual({ kind: "found", seq: 10 });
  });

  it("stops after a limit of events, and can be continued", () => {
    expect(seek(history, 0, 1, never, 3)).toEqual({ kind: "unfinished", seq: 3 });
    expect(seek(history, 10, -1, never, 3)).toEqual({ kind: "unfinished", seq: 7 });
    expect(seek(history, 9, 1, never, 3)).toEqual({ kind: "nowhere" });
    expect(seek(history, 3, 1, isOfType("signalled"), 3)).toEqual({ kind: "found", seq: 6 });
  });

  it("stops at an event without a value, and says why", () => {
    const fails: MomentTest = ({ seq }) => {
      if (seq === 4) throw new DriverError("EXPRESSION_INVALID", "no order");
      return false;
    };
    expect(seek(history, 1, 1, fails)).toEqual({ kind: "problem", seq: 4, problem: "no order" });
    expect(seek(history, 9, -1, fails)).toEqual({ kind: "problem", seq: 4, problem: "no order" });
  });
});

/** Events at noon (local time), and 1 s, 61 s, an hour and a day later. */
const noon = new Date(2026, 10, 24, 12).getTime();
const times = [0, 1_000, 61_000, 3_600_000, 86_400_000].map((after) => noon + after);
const begun = life("ended").slice(0, 4);
const timed = historyOf(
  [...begun, event("exited")].map((each, index) => ({ ...each, time: times[index] ?? 0 })),
);
const place = (text: string, at = 2) => placeIn(text, timed, at);

describe("a place", () => {
  it.each([
    ["3", 3],
    ["99", 99],
    ["+1", 3],
    ["-1", 1],
    ["+0s", 1],
    ["+1s", 2],
    ["+999ms", 1],
    ["+1.5s", 2],
    ["+2min", 3],
    ["+2m", 3],
    ["+1m1s", 3],
    ["+1h", 4],
    ["+1d", 5],
    ["-1d", 1],
    ["-1h", 4],
    ["12:00", 1],
    ["12:01:01", 3],
    ["9:00", 1],
    ["13:00:00.000", 4],
    ["2026-11-25", 4],
    ["2026-11-24 12:00:30", 2],
    ["2026-11-24T12:00:30", 2],
    [formatTime(times[2] ?? 0), 3],
    [new Date(times[3] ?? 0).toISOString(), 4],
    ["1999-01-01T00:00:00Z", 1],
  ])("%s is event %i", (text, seq) => {
    expect(place(text)).toBe(seq);
  });

  it("that is a time of day is on the day of the current event", () => {
    expect(place("12:00", 5)).toBe(5);
    expect(place("11:59", 5)).toBe(4);
  });

  it.each(["", "x", "+", "+1x", "1.5", "25:00:00:00", "2026-13-45", "12:99", "1s", "+1MB", "+1MiB"])(
    "is not recognized in %j",
    (text) => {
      expect(place(text)).toBeUndefined();
    },
  );
});
