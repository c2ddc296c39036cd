/** Completes words of a command. Pure. */
import { eventTypes } from "../../machines/events.ts";
import { stateNames } from "../../replay/breakpoint.ts";
import { namesOfMoment } from "../../replay/expression/momentScope.ts";
import { commandNames } from "./commands.ts";
import { type DebuggerState, presentMoment } from "./debuggerState.ts";
import { wordBefore } from "./prompt.ts";

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
  if (command === "insert" || command === "change") return fieldsOf(presentMoment(state)?.stored.data);
  return expressionCommands.has(command)
    ? [...(first ? ["state:", "type:"] : []), ...pathsOf(state, word)]
    : [];
}

const expressionCommands: ReadonlySet<string> = new Set(["break", "b", "find", "print", "p"]);

/** Paths that complete a word, from the data at the present moment. */
function pathsOf(state: DebuggerState, word: string): string[] {
  const moment = presentMoment(state);
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
