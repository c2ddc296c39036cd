import { stripVTControlCharacters } from "node:util";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bindingGroups } from "../../../src/cli/debugger/bindings.ts";
import { commandNames } from "../../../src/cli/debugger/commands.ts";
import { shownHistory } from "../../../src/cli/debugger/debuggerState.ts";
import { frame } from "../../../src/cli/debugger/frame.ts";
import { type Input, reduce } from "../../../src/cli/debugger/reduce.ts";
import { endKey } from "../../../src/cli/terminal/keyName.ts";
import { styleOf } from "../../../src/cli/terminal/style.ts";
import { visible } from "../../../src/units/visible.ts";
import { cellsOf } from "../../../src/units/widths.ts";
import { allLives, event, life } from "../../support/history/history.ts";
import { enter, historyOf, press, screenOf, viewOf } from "../../support/screen/debuggerView.ts";

/**
 * A history with these events: requested fingerprinted sandboxed started stopRequested signalled stopTimedOut
 * forceKilled exited destroyed
 */
const killed = viewOf(life("killed"));
const long = viewOf([
  ...life("ended").slice(0, 4),
  ...Array.from({ length: 200 }, (_, index) => event("signalled", { signal: index % 30 })),
  event("exited", { exitCode: 3 }),
]);

describe("the view", () => {
  it.each([
    ["j down right", 4],
    ["n n p", 2],
    ["j j k up left", 1],
    ["k", 1],
    ["G", 10],
    ["G j", 10],
    ["G g", 1],
    ["7 G", 7],
    ["7 g", 7],
    ["7 return", 7],
    ["1 2 G", 10],
    ["3 j", 4],
    ["end home", 1],
    ["e", 7],
    ["e e", 7],
    ["G E", 7],
  ])("goes by %s to event %i", (keys, at) => {
    expect(press(killed, ...keys.split(" ")).at).toBe(at);
    expect(press(killed, " ", "backspace").at).toBe(1);
  });

  it("goes through the list in pages with the page keys", () => {
    const page = press(long, "pagedown");
    expect(page.at).toBe(27);
    expect(press(page, "pageup").at).toBe(1);
    expect(press(long, "C-d").at).toBe(14);
    expect(press(long, "G", "C-f").at).toBe(205);
  });

  it.each([
    ["7", 7],
    ["+3", 4],
    ["+5ms", 6],
    ["-1ms", 9],
    ["state exited", 9],
    ["type signalled", 6],
    ["error", 7],
    ["find exit", 9],
    ["find type == 'stopTimedOut' and state == 'killing'", 7],
    ["2100-01-01", 10],
    ["1999-01-01T00:00:00Z", 1],
  ])("goes by the command %s to event %i", (text, at) => {
    expect(enter(killed, ":", text)).toMatchObject({ at, notice: undefined });
  });

  it.each([
    ["99", /no event 99/],
    ["0", /no event 0/],
    ["fly", /neither a command nor a place/],
    ["contineu", /Did you mean continue\?/],
    ["state heaven", /no state "heaven"/],
    ["find exti", /Did you mean exit/],
    ["print request.options.command > 3", /cannot be ordered/],
    ["quit now", /takes no argument/],
    ["delete x", /not the number/],
    ["delete 3", /no breakpoint 3/],
  ])("refuses the command %s, with the reason", (text, reason) => {
    expect(enter(killed, ":", text).notice).toMatchObject({
      isProblem: true,
      text: expect.stringMatching(reason),
    });
  });

  it("keeps a wrong command for correction", () => {
    const wrong = enter(killed, "b", "state:exitd");
    expect(screenOf(wrong).slice(-2)).toEqual([
      expect.stringContaining("Did you mean exited?"),
      ":break state:exitd▏",
    ]);
    expect(press(wrong, "backspace", "e", "d", "return").breakpoints).toMatchObject([
      { text: "state:exited" },
    ]);
  });

  it("shows values", () => {
    expect(enter(killed, ":", "print request.envKeys").notice?.text).toBe('["NOMAD_TASK_DIR","PATH"]');
  });

  it("shows values and reasons in full, however long they are", () => {
    const lines = screenOf(enter(killed, ":", "print request"));
    expect(lines).toHaveLength(30);
    expect(lines.slice(-12).join("")).toContain('"plugin":{"pid":100,"version":"0.1.0"}}');
    const reason = screenOf(enter({ ...killed, size: { columns: 40, rows: 20 } }, "i", "started"));
    expect(reason).toHaveLength(20);
  });

  it("ends with q, Ctrl-C and the terminal's end", () => {
    for (const key of ["q", "C-c", endKey]) expect(press(killed, key).over).toBe(true);
    expect(press(killed, ":", endKey).over).toBe(true);
    expect(press(killed, ":", "C-c")).toMatchObject({ over: false, prompt: undefined });
    expect(press(killed, "return", "q")).toMatchObject({ over: false, page: "moment" });
  });
});

describe("a search", () => {
  it("goes from match to match, and wraps around", () => {
    const first = enter(killed, "/", "SIGNAL");
    expect(first.at).toBe(5);
    expect(press(first, "n").at).toBe(6);
    expect(press(first, "n", "n", "n")).toMatchObject({
      at: 5,
      notice: { text: expect.stringContaining("first") },
    });
    expect(press(first, "N").at).toBe(9);
    expect(press(first, "escape", "n").at).toBe(6);
    expect(enter(killed, "/", "nowhere")).toMatchObject({ at: 1, notice: { isProblem: true } });
  });

  it("can be recalled", () => {
    const searched = enter(enter(killed, "/", "signal"), "/", "exit");
    expect(press(searched, "/", "up", "up").prompt?.text).toBe("signal");
    expect(press(searched, "/", "up", "up", "up", "down").prompt?.text).toBe("exit");
    expect(press(searched, "/", "up", "down").prompt?.text).toBe("");
  });
});

describe("breakpoints", () => {
  const set = enter(enter(killed, "b", "state:stopping"), "b", "exit.signal == 0");

  it("say where they stop, and stop in both directions", () => {
    expect(set.notice?.text).toBe("breakpoint 2 stops at 1 of 10 events: exit.signal == 0");
    const [once, twice] = [press(set, "c"), press(set, "c", "c")];
    expect(once).toMatchObject({ at: 5, notice: { text: "breakpoint 1 at event 5: state:stopping" } });
    expect(twice.at).toBe(9);
    expect(press(twice, "c")).toMatchObject({ at: 10, notice: { text: "no stop before the last event" } });
    expect(press(twice, "C").at).toBe(5);
    expect(press(once, "C").at).toBe(1);
    expect(screenOf(twice).join("\n")).toMatch(/ ● +5 stopRequested/);
  });

  it("are listed and removed", () => {
    const list = press(set, "B");
    expect(screenOf(list).join("\n")).toMatch(/▸ 1 {2}state:stopping {2}stops at 1 of 10 events\n {2}2 /);
    expect(press(list, "j", "d").breakpoints).toMatchObject([{ text: "state:stopping" }]);
    expect(press(list, "d", "d", "d")).toMatchObject({
      breakpoints: [],
      selected: 0,
      notice: { isProblem: true },
    });
    expect(press(list, "c")).toMatchObject({ at: 5, page: "moment" });
    expect(enter(set, ":", "delete 1").breakpoints).toHaveLength(1);
    expect(enter(set, ":", "delete all").breakpoints).toEqual([]);
  });

  it("that have no value at some event are not set", () => {
    expect(enter(killed, "b", "request.options.command > 3")).toMatchObject({
      breakpoints: [],
      notice: {
        text: expect.stringMatching(
          /^at event 1: request\.options\.command \("python3"\) and 3 cannot be ordered/,
        ),
      },
    });
    expect(press(killed, "c").notice).toMatchObject({ isProblem: true });
    expect(enter(set, "b", "state:stopping").breakpoints).toHaveLength(2);
  });
});

describe("a what-if", () => {
  const states = (state: typeof killed) => [...shownHistory(state).moments()].map(({ after }) => after.value);

  it("drops an event", () => {
    const dropped = press(killed, "7", "G", "x");
    expect(dropped.notice?.text).toBe("what if: the task still ends in destroyed");
    expect(states(dropped).slice(4)).toEqual(["stopping", "stopping", "stopping", "exited", "destroyed"]);
    expect(dropped.at).toBe(7);
    expect(screenOf(dropped).join("\n")).toContain("the machine rejects it");
    expect(screenOf(dropped)[0]).toContain("what if: 1 edit");
    expect(press(dropped, "u")).toMatchObject({ edits: [], fork: undefined });
    expect(press(dropped, "u", "u").notice).toMatchObject({ isProblem: true });
  });

  it("inserts another event", () => {
    const lost = enter(press(killed, "4", "G"), "i", 'lost reason="no more"');
    expect(lost).toMatchObject({ at: 5, notice: { text: "what if: the task still ends in destroyed" } });
    expect(lost.edits).toEqual([{ insert: 4, type: "lost", data: { reason: "no more" } }]);
    expect(screenOf(lost).join("\n")).toMatch(/▸\+ +5 lost/);
    const changed = enter(lost, "m", "reason=other");
    expect(changed.edits).toEqual([{ insert: 4, type: "lost", data: { reason: "other" } }]);
    const second = enter(changed, "i", "destroyed");
    expect(second.at).toBe(6);
    expect(states(second).slice(3, 6)).toEqual(["running", "lost", "destroyed"]);
    // Drops the first of the two events, and keeps the second.
    const rest = press(second, "k", "x");
    expect(rest.edits).toEqual([{ insert: 4, type: "destroyed", data: {} }]);
    expect(press(rest, "u", "u", "u", "u").edits).toEqual([]);
    expect(press(rest, "U").fork).toBeUndefined();
  });

  it("changes an event", () => {
    const changed = enter(press(killed, "9", "G"), "m", "exitCode=42 signal=0");
    expect(changed.edits).toEqual([{ change: 9, data: { exitCode: 42, signal: 0 } }]);
    expect(screenOf(changed).join("\n")).toMatch(/exit\.exitCode {2}42/);
    expect(screenOf(press(changed, "w")).join("\n")).toContain(
      '{"change":9,"data":{"exitCode":42,"signal":0}}',
    );
    expect(press(changed, "x").edits).toEqual([{ drop: 9 }]);
  });

  it("changes only the given fields of an event", () => {
    const again = enter(press(killed, "4", "G"), "i", "exited exitCode=5");
    expect(shownHistory(again).at(5).after.context.exit).toMatchObject({ exitCode: 5, source: "status" });
  });

  it.each([
    ["i", "teleported x=1", /teleported/],
    ["i", "", /name the type/],
    ["i", "lost", /reason/],
    ["m", "exitCode", /name=value/],
    ["m", "exitcode=1", /no exitcode/],
    ["m", "{", /not a JSON object/],
  ])("refuses %s %s, and edits nothing", (key, text, reason) => {
    expect(enter(press(killed, "9", "G"), key, text)).toMatchObject({
      edits: [],
      notice: { isProblem: true, text: expect.stringMatching(reason) },
    });
  });

  it("may drop all events, and the view still works", () => {
    const none = press(killed, ...Array.from({ length: 10 }, () => "x"));
    expect(none.at).toBe(0);
    expect(screenOf(none).join("\n")).toContain("no event is left");
    expect(press(none, "x", "j", "return", "e", "G", "c").at).toBe(0);
    expect(enter(none, "i", "requested").at).toBe(1);
    expect(press(none, "u").at).toBe(1);
  });
});

describe("a running task", () => {
  const events = historyOf(life("killed")).events;
  const live = {
    ...viewOf(life("killed").slice(0, 4), undefined, true),
    recorded: historyOf(life("killed").slice(0, 4)),
  };
  const come = (state: typeof live, from: number, to: number) =>
    reduce(state, { kind: "events", events: events.slice(from - 1, to) });

  it("has new events as they come", () => {
    const more = come(live, 5, 6);
    expect(more.at).toBe(1);
    expect(shownHistory(more).length).toBe(6);
    expect(shownHistory(more).at(6).after.value).toBe("stopping");
    expect(screenOf(more)[0]).toContain("live");
  });

  it("is followed to its newest event, until the user goes back", () => {
    const following = press(live, "F");
    expect(come(following, 5, 7)).toMatchObject({ at: 7, following: true });
    expect(come(press(following, "?"), 5, 7)).toMatchObject({ at: 7, page: "help" });
    expect(come(press(following, "k"), 5, 7)).toMatchObject({ at: 3, following: false });
    expect(press(killed, "F").notice).toMatchObject({ isProblem: true });
  });

  it("is shown in full if a breakpoint has no value", () => {
    const odd = press(enter(live, "b", "stop.signal contains 9"), "F");
    expect(come(odd, 5, 10)).toMatchObject({ at: 5, following: false, notice: { isProblem: true } });
    expect(shownHistory(come(odd, 5, 10)).length).toBe(10);
  });

  it("is followed to where a breakpoint stops", () => {
    const following = press(enter(live, "b", "state:killing"), "F");
    expect(come(following, 5, 10)).toMatchObject({ at: 7, following: false });
  });

  it("keeps its edits", () => {
    const edited = come(press(live, "G", "x"), 5, 10);
    expect(shownHistory(edited).length).toBe(9);
    expect(edited.edits).toEqual([{ drop: 4 }]);
  });
});

describe("after any keys", () => {
  const named = [
    "return",
    "escape",
    "backspace",
    "up",
    "down",
    "left",
    "right",
    "tab",
    "home",
    "end",
    "pageup",
  ];
  const keys = fc.oneof(
    fc.constantFrom(...bindingGroups.flatMap(({ bindings }) => bindings.flatMap((each) => each.keys))),
    fc.constantFrom(...named, "C-u", "C-w", "delete", "1", "9", ""),
    fc.string({ unit: "binary", minLength: 1, maxLength: 1 }),
  );
  const lines = fc
    .tuple(
      fc.constantFrom(":", "/", "b", "m", "i"),
      fc.oneof(
        fc.string({ maxLength: 8 }),
        fc.constantFrom(
          ...commandNames,
          "7",
          "+2s",
          "state:running",
          "exit",
          "lost reason=x",
          "exitCode=1",
          "type exited",
        ),
      ),
    )
    .map(([key, text]) => [key, ...text, "return"]);
  const size = fc.record({
    columns: fc.integer({ min: 1, max: 140 }),
    rows: fc.integer({ min: 1, max: 40 }),
  });
  const inputs = fc.array(
    fc.oneof(
      { weight: 8, arbitrary: keys.map((key): Input[] => [{ kind: "key", key }]) },
      { weight: 4, arbitrary: lines.map((line) => line.map((key): Input => ({ kind: "key", key }))) },
      { weight: 1, arbitrary: size.map((each): Input[] => [{ kind: "resize", size: each }]) },
    ),
    { maxLength: 40 },
  );

  it("the position stays within the history, and the picture within the terminal", () => {
    const style = styleOf(true);
    fc.assert(
      fc.property(fc.constantFrom(...allLives), size, inputs, (name, first, groups) => {
        let state = viewOf(life(name), first);
        for (const input of groups.flat()) {
          state = reduce(state, input);
          const { length } = shownHistory(state);
          expect(state.at).toBeGreaterThanOrEqual(Math.min(1, length));
          expect(state.at).toBeLessThanOrEqual(length);
        }
        const picture = frame(state, style);
        expect(picture).toHaveLength(state.size.rows);
        for (const line of picture)
          expect(cellsOf(stripVTControlCharacters(line))).toBeLessThanOrEqual(state.size.columns);
      }),
      { numRuns: 300 },
    );
  });

  it("any text stays within the terminal", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 200 }), size, (text, given) => {
        const odd = viewOf(
          [event("requested", { taskName: text, options: { command: text, args: [text] } })],
          given,
        );
        for (const keys of [[], ["return"], [":", ...text], ["/", ...text, "return"]]) {
          for (const line of screenOf(press(odd, ...keys))) {
            expect(cellsOf(line)).toBeLessThanOrEqual(given.columns);
            expect(visible(line)).toBe(line);
          }
        }
      }),
      { numRuns: 100 },
    );
  });
});
