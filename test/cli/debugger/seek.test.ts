import { describe, expect, it } from "vitest";
import { seek } from "../../../src/cli/debugger/moves.ts";
import { DriverError } from "../../../src/errors.ts";
import { isOfType, type MomentTest } from "../../../src/replay/search.ts";
import { life } from "../../support/history/history.ts";
import { historyOf } from "../../support/screen/debuggerView.ts";

/** requested fingerprinted sandboxed started stopRequested signalled stopTimedOut forceKilled exited destroyed */
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
