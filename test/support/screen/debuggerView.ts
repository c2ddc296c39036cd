/** The view of a history without a terminal. */
import { stripVTControlCharacters } from "node:util";
import { type DebuggerState, initialState, type Size } from "../../../src/cli/debugger/debuggerState.ts";
import { frame } from "../../../src/cli/debugger/frame.ts";
import { reduce } from "../../../src/cli/debugger/reduce.ts";
import { styleOf } from "../../../src/cli/terminal/style.ts";
import { History } from "../../../src/history/replay/history.ts";
import type { TaskEvent } from "../../../src/machines/events.ts";
import { RecordedLog } from "../history/recordedLog.ts";

const stream = "6f2d4a9e/web/1";
const plain = styleOf(false);

export function historyOf(events: readonly TaskEvent[]): History {
  return new History(stream, new RecordedLog().add(stream, events).events(stream));
}

export function viewOf(
  events: readonly TaskEvent[],
  size: Size = { columns: 100, rows: 30 },
  live = false,
): DebuggerState {
  return initialState(historyOf(events), size, live);
}

/** The state after some keys. */
export function press(state: DebuggerState, ...keys: readonly string[]): DebuggerState {
  return keys.reduce((before, key) => reduce(before, { kind: "key", key }), state);
}

/** The state after a key, a typed line and return. */
export function enter(state: DebuggerState, key: string, text: string): DebuggerState {
  return press(state, key, ...text, "return");
}

/** The lines of the screen, without colours. */
export function screenOf(state: DebuggerState): string[] {
  return frame(state, plain).map((line) => stripVTControlCharacters(line));
}
