import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DriverError } from "../../../../src/base/errors.ts";
import {
  expressionTest,
  namesOfMoment,
  valueAtMoment,
} from "../../../../src/history/replay/expression/momentScope.ts";
import { History } from "../../../../src/history/replay/history.ts";
import { initialContext } from "../../../../src/machines/taskContext.ts";
import { errorOf } from "../../../support/errors.ts";
import { event, life, requestWith } from "../../../support/history/history.ts";
import { RecordedLog } from "../../../support/history/recordedLog.ts";

const stream = "alloc/web/1";
/**
 * The events, in order: requested fingerprinted sandboxed started stopRequested signalled stopTimedOut
 * forceKilled exited destroyed
 */
const request = requestWith({ unveil: ["r:/etc/passwd"], ulimit: [{ nofile: "2048:4096" }], tmp_size: 64 });
const killed = life("killed").map((each) =>
  each.type === "requested"
    ? request
    : each.type === "exited"
      ? event("exited", { exitCode: 0, signal: 9 })
      : each,
);
const history = new History(stream, new RecordedLog().add(stream, killed).events(stream));

const value = (text: string, seq = 9) => valueAtMoment(text, history.at(seq));
/** Numbers of the events at which the expression holds. */
const where = (text: string) => [...history.moments()].filter(expressionTest(text)).map(({ seq }) => seq);
const message = (text: string) => errorOf(() => value(text)).message;

describe("an expression", () => {
  it.each<[string, unknown]>([
    ["exit.signal", 9],
    ["exit.signal == 9", true],
    ["exit.signal = 9", true],
    ["exit.signal != 9", false],
    ["exit.signal > 8 and exit.exitCode < 1", true],
    ["exit.signal >= 10 or exit.exitCode <= 0", true],
    ["exit.signal==9&&!(exit.exitCode>0||forceKilled==false)", true],
    ["not not exit", true],
    ["not exit or not exit.oomKilled", true],
    ["request.options.command == 'python3'", true],
    ['request.options.command == "python3"', true],
    ['"\\"" == \'"\'', true],
    ["request.options.args.length", 2],
    ["request.options.unveil contains 'r:/etc/passwd'", true],
    ["request.options.ulimit.0.nofile == '2048:4096'", true],
    ["request.options.tmp_size > 32", true],
    ["request.options.egress == null and request.options.egress.length == null", true],
    ["request.options.args.1", "http.server"],
    ["request.options.command.length == 7", true],
    ['request.envKeys contains "PATH"', true],
    ['request.user contains "nomad-"', true],
    ['request.envKeys contains "PAT"', false],
    ["before.exit.signal != 9", false],
    ["before.exit.signal == 9", false],
    ["before.exit == before.failure", false],
    ["before.exit.signal == null", true],
    ["exit.signal != null", true],
    ["execs.running.length", 0],
    ["sandbox.unveiled.0.mode.length > 0", true],
    ["failure == null", true],
    ["failure.code > 3", false],
    ['lostReason contains "x"', false],
    ["state", "exited"],
    ["from", "killing"],
    ["type == 'exited' and seq = 9", true],
    ["data.signal", 9],
    ["effects contains 'releaseRun'", true],
    ["error", false],
    ["before.exit == null", true],
    ["before.state", "killing"],
    ["changed exit.signal and changed state", true],
    ["changed signals", false],
    ["request.resources.memoryMb * 1 == 1", undefined],
    ["stop.timeoutMs == 5s", true],
    ["1.5s == 1500 and 64MiB == 67108864 and -3 < 0", true],
    ["90m == 5400000 and 90min == 90m and 1m30s == 90s and -1.5s < 0 and 0.5d == 12h", true],
    ["before.stop == stop", true],
  ])("%s", (text, expected) => {
    if (expected === undefined)
      expect(errorOf(() => value(text))).toMatchObject({ code: "EXPRESSION_INVALID" });
    else expect(value(text)).toBe(expected);
  });

  it("about the context matches where it becomes true", () => {
    expect(where("state == 'stopping'")).toEqual([5]);
    expect(where("signals")).toEqual([6]);
    expect(where("exit.signal == 9 or stop.timedOut")).toEqual([7]);
    expect(where("not exit")).toEqual([]);
    // Like the example in the help and the documentation. There is no exit code before the end, so the
    // condition begins to hold at the end.
    expect(where("exit.exitCode != 1")).toEqual([9]);
  });

  it("about the event matches wherever it is true", () => {
    expect(where("changed stop.timedOut")).toEqual([5, 7]);
    expect(where("error")).toEqual([7]);
    expect(where("seq > 8 and signals")).toEqual([9, 10]);
    expect(where("since > 0 and signals > before.signals")).toEqual([6]);
    expect(where("state == 'stopping' and from != null")).toEqual([5, 6]);
  });

  it.each([
    ["", /at the end: a value is expected/],
    ["exit.exitCode ==", /at the end: a value is expected/],
    ["exit.exitCode == == 1", /at "== 1": a value is expected/],
    ["exit exit", /at "exit": "and", "or" or a comparison is expected/],
    ["(exit", /at the end: a closing parenthesis is missing/],
    ["1 == 'a", /at "'a": the quote is not closed/],
    ["exit @ 3", /at "@ 3": this character is not expected/],
    ["5sec > 3", /at "5sec > 3": this is not a number\. Units are/],
    ["1.2.3", /not a number/],
    ["exti.exitCode == 1", /there is no value exti.*Did you mean exit\?/],
    ["state == exited", /there is no value exited; text needs quotes/],
    ["exit.exitcode != 0", /at "exit\.exitcode != 0": exit has no field exitcode.*Did you mean exitCode\?/],
    ["data.raeson == 'x'", /data has no field raeson.*Did you mean reason\?/],
    ["data.options.unvail", /data\.options has no field unvail.*Did you mean unveil\?/],
    ["request.options.tmp_size.more", /tmp_size has no field more/],
    ["exit.exitCode.more", /exit\.exitCode has no field more/],
    ["before.exit.x", /before\.exit has no field x/],
    ["request.options.args.0.length.x", /has no field x/],
    ["changed exit.signl", /exit has no field signl/],
    ["changed type", /there is no value type/],
    ["not", /a value is expected/],
    ["a".repeat(2000), /longer than 1000 characters/],
    ["!".repeat(60), /nested too deeply/],
    [`${"(".repeat(60)}1${")".repeat(60)}`, /nested too deeply/],
    ["request.options.command > 3", /request\.options\.command \("python3"\) and 3 cannot be ordered/],
    ["exit.signal contains 9", /exit\.signal \(9\) contains nothing/],
    ["request < request", /cannot be ordered/],
  ])("%s is refused, and the error says what is wrong and where", (text, expected) => {
    expect(message(text)).toMatch(expected);
    expect(message(text).length).toBeLessThan(500);
  });

  it("can read the data's own properties, and nothing of the program", () => {
    for (const name of ["constructor", "__proto__", "toString"]) {
      expect(message(`exit.${name}`)).toMatch(/exit has no field/);
      expect(message(`request.options.args.${name}`)).toMatch(/request\.options\.args has no field/);
      expect(message(name)).toMatch(/there is no value/);
    }
  });

  it("gives a value or a DriverError, whatever the text", () => {
    const pieces = fc.constantFrom(
      ...["exit", "exit.exitCode", "request", "state", "data.x", "before", "1", "2s", "'a'", "null", "true"],
      ...["==", "=", "!=", "<", ">=", "contains", "and", "||", "not", "!", "changed", "(", ")", "@", " "],
    );
    const texts = fc.oneof(
      fc.array(pieces, { maxLength: 30 }).map((each) => each.join(" ")),
      fc.string({ maxLength: 60 }),
    );
    fc.assert(
      fc.property(texts, fc.integer({ min: 1, max: history.length }), (text, seq) => {
        try {
          value(text, seq);
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(DriverError);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("defines no name that hides a field of the machine's context", () => {
    for (const name of Object.keys(namesOfMoment)) expect(Object.keys(initialContext)).not.toContain(name);
  });
});
