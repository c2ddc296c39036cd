import { describe, expect, it } from "vitest";
import { parseBreakpoint, stateNames } from "../../../src/history/replay/breakpoint.ts";
import { History } from "../../../src/history/replay/history.ts";
import { eventTypes } from "../../../src/machines/events.ts";
import { errorOf } from "../../support/errors.ts";
import { life } from "../../support/history/history.ts";
import { RecordedLog } from "../../support/history/recordedLog.ts";

const stream = "alloc/web/1";
/**
 * The events, in order: requested fingerprinted sandboxed started stopRequested signalled stopTimedOut
 * forceKilled exited destroyed
 */
const history = new History(stream, new RecordedLog().add(stream, life("killed")).events(stream));

describe("a breakpoint", () => {
  it.each([
    ["state:stopping", [5]],
    [" state: exited ", [9]],
    ["type:signalled", [6]],
    ["exit.exitCode == 0 and changed exit", [9]],
    ["error", [7]],
  ])("%s stops where it says", (text, expected) => {
    const { stopsAt } = parseBreakpoint(text);
    expect([...history.moments()].filter(stopsAt).map(({ seq }) => seq)).toEqual(expected);
  });

  it.each([
    ["state:stoping", /no state "stoping"\. Did you mean stopping\?/],
    ["type:exit", /no type of event "exit"/],
    ["type:running", /no type of event "running"\. Did you mean state:running\?/],
    ["state:requested", /no state "requested"\. Did you mean type:requested\?/],
    ["state:", /no state ""/],
    ["", /a value is expected/],
    ["stat:running", /this character is not expected|there is no value/],
  ])("%s is refused", (text, problem) => {
    expect(errorOf(() => parseBreakpoint(text))).toMatchObject({
      code: "EXPRESSION_INVALID",
      message: expect.stringMatching(problem),
    });
  });

  it("knows all states and types", () => {
    expect(stateNames).toContain("destroyed");
    expect(eventTypes).toContain("oomSeen");
  });
});
