/** Commands that are typed after a colon, and their completion. Pure. */
import { DriverError } from "../../base/errors.ts";
import { suggestion } from "../../base/suggest.ts";
import { parseBreakpoint, stateNames } from "../../history/replay/breakpoint.ts";
import { namesOfMoment, valueAtMoment } from "../../history/replay/expression/momentScope.ts";
import { eventTypes } from "../../machines/events.ts";
import { currentMoment, type DebuggerState, notified, refused, shownHistory } from "./debuggerState.ts";
import { goTo, goToError, goToNext, placeIn } from "./moves.ts";
import { wordBefore } from "./prompt.ts";
import { continueTo, removeBreakpoint, setBreakpoint } from "./stops.ts";
import { changeCurrent, dropCurrent, insertAfter, undoEdits } from "./whatIfEdits.ts";

export interface Command {
  /** The help page shows the first name. */
  readonly names: readonly string[];
  readonly argument: string;
  readonly does: string;
  readonly run: (state: DebuggerState, argument: string) => DebuggerState;
}

export const commands: readonly Command[] = [
  {
    names: ["break", "b"],
    argument: "state:NAME, type:NAME or EXPRESSION",
    does: "set a breakpoint",
    run: setBreakpoint,
  },
  {
    names: ["delete", "d"],
    argument: "NUMBER or all",
    does: "remove a breakpoint, or all",
    run: (state, text) =>
      text === "all"
        ? notified({ ...state, breakpoints: [], selected: 0 }, "no breakpoint is left")
        : removeBreakpoint(state, numberIn(text) - 1),
  },
  {
    names: ["breakpoints"],
    argument: "",
    does: "list breakpoints",
    run: (state) => ({ ...state, page: "breakpoints", scroll: 0 }),
  },
  {
    names: ["continue", "c"],
    argument: "",
    does: "continue to the next breakpoint",
    run: (state) => continueTo(state, 1),
  },
  {
    names: ["back"],
    argument: "",
    does: "continue backwards to the previous breakpoint",
    run: (state) => continueTo(state, -1),
  },
  {
    names: ["state"],
    argument: "NAME",
    does: "continue to where the task enters a state",
    run: (state, name) => goToStop(state, `state:${name}`),
  },
  {
    names: ["type"],
    argument: "NAME",
    does: "continue to an event of a type",
    run: (state, name) => goToStop(state, `type:${name}`),
  },
  { names: ["error"], argument: "", does: "continue to the next error", run: (state) => goToError(state, 1) },
  {
    names: ["find"],
    argument: "state:NAME, type:NAME or EXPRESSION",
    does: "continue to the next event that matches",
    run: goToStop,
  },
  {
    names: ["print", "p"],
    argument: "EXPRESSION",
    does: "show a value at this event",
    run: (state, text) => {
      const moment = currentMoment(state);
      return moment === undefined
        ? refused(state, "there is no event")
        : notified(state, JSON.stringify(valueAtMoment(text, moment)));
    },
  },
  {
    names: ["drop"],
    argument: "",
    does: "drop the current event, to see what would follow",
    run: dropCurrent,
  },
  {
    names: ["change"],
    argument: "FIELD=VALUE …",
    does: "change the current event's data, to see what would follow",
    run: changeCurrent,
  },
  {
    names: ["insert"],
    argument: "TYPE FIELD=VALUE …",
    does: "insert an event after the current one, to see what would follow",
    run: insertAfter,
  },
  { names: ["undo"], argument: "", does: "undo the last edit", run: (state) => undoEdits(state, false) },
  {
    names: ["edits"],
    argument: "",
    does: "list the edits, as a file for --what-if",
    run: (state) => ({ ...state, page: "edits", scroll: 0 }),
  },
  {
    names: ["help", "h"],
    argument: "",
    does: "show this page",
    run: (state) => ({ ...state, page: "help", scroll: 0 }),
  },
  { names: ["quit", "q"], argument: "", does: "quit", run: (state) => ({ ...state, over: true }) },
];

export const commandNames: readonly string[] = commands.flatMap(({ names: [name = ""] }) => name);

/**
 * Runs a command, or goes to the place that the text names.
 * @throws DriverError `EXPRESSION_INVALID`, `EDITS_INVALID`
 */
export function runCommand(state: DebuggerState, text: string): DebuggerState {
  const place = placeIn(text, shownHistory(state), state.at);
  if (place !== undefined) return goToPlace(state, place);
  const [, name = "", argument = ""] = /^(\S+)\s*(.*)$/s.exec(text) ?? [];
  const command = commands.find(({ names }) => names.includes(name));
  if (command === undefined) {
    return refused(state, `${name} is neither a command nor a place. ${suggestion(name, commandNames)}`);
  }
  if (command.argument === "" && argument !== "") return refused(state, `${name} takes no argument`);
  return command.run(state, argument.trim());
}

function goToPlace(state: DebuggerState, place: number): DebuggerState {
  const next = goTo(state, place);
  return next.at === place ? next : refused(next, `there is no event ${place}`);
}

function numberIn(text: string): number {
  if (/^\d+$/.test(text)) return Number(text);
  throw new DriverError("EXPRESSION_INVALID", `${JSON.stringify(text)} is not the number of a breakpoint`);
}

/** Goes to the next event at which this breakpoint would stop. */
function goToStop(state: DebuggerState, breakpoint: string): DebuggerState {
  return goToNext(state, 1, parseBreakpoint(breakpoint).stopsAt, `no ${breakpoint}`);
}

/** @param text the command up to the cursor */
export function candidatesIn(state: DebuggerState, text: string): string[] {
  const word = wordBefore(text);
  return namesFor(state, text.slice(0, text.length - word.length), word)
    .filter((each) => each.startsWith(word))
    .toSorted();
}

function namesFor(state: DebuggerState, before: string, word: string): readonly string[] {
  const [command = ""] = before.trim().split(/\s+/);
  if (command === "") return commandNames;
  if (/\bstate:$/.test(before) || command === "state") return stateNames;
  if (/\btype:$/.test(before) || command === "type") return eventTypes;
  const first = before.trim() === command;
  if (command === "insert" && first) return eventTypes;
  if (command === "insert" || command === "change") return fieldsOf(currentMoment(state)?.stored.data);
  return expressionCommands.has(command)
    ? [...(first ? ["state:", "type:"] : []), ...pathsOf(state, word)]
    : [];
}

const expressionCommands: ReadonlySet<string> = new Set(["break", "b", "find", "print", "p"]);

/** Paths that complete a word, from the data at the current moment. */
function pathsOf(state: DebuggerState, word: string): string[] {
  const moment = currentMoment(state);
  const context = moment?.after.context ?? {};
  const outer = word.split(".").slice(0, -1);
  if (outer.length === 0) return [...Object.keys(namesOfMoment), ...Object.keys(context)];
  const root = { ...context, data: moment?.stored.data, before: moment?.before.context };
  const inner = outer.reduce<unknown>((value, name) => fieldOf(value, name), root);
  return fieldsOf(inner).map((name) => [...outer, name].join("."));
}

function fieldOf(value: unknown, name: string): unknown {
  return fieldsOf(value).includes(name) ? (value as Readonly<Record<string, unknown>>)[name] : undefined;
}

function fieldsOf(value: unknown): string[] {
  return typeof value === "object" && value !== null ? Object.keys(value) : [];
}
