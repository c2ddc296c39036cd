/** `replay` on a terminal: shows the view of a history until a person quits. */
import { EMPTY, filter, map, type Observable } from "rxjs";
import { DriverError } from "../../base/errors.ts";
import { shownEvent } from "../../history/replay/mask.ts";
import type { Edit } from "../../history/replay/whatIf.ts";
import { catchInterrupts, whenAborted } from "../../localAgent/task/interrupts.ts";
import type { StoredEvent } from "../../store/eventStore.ts";
import { EventLogs, type TaskPlace } from "../histories/eventLogs.ts";
import { openScreen } from "../terminal/screen.ts";
import { styleFor } from "../terminal/style.ts";
import { type DebuggerState, initialState, notified, type Size } from "./debuggerState.ts";
import { frame } from "./frame.ts";
import { type Input, reduce } from "./reduce.ts";
import { continueTo, setBreakpoint } from "./stops.ts";
import { withEdits } from "./whatIfEdits.ts";

export interface DebuggerOptions {
  readonly showArgs: boolean;
  /** Initial breakpoints. The view opens at the first moment at which one of them stops. */
  readonly breakpoints: readonly string[];
  /** Initial edits. */
  readonly edits: readonly Edit[];
}

/**
 * @returns the exit code
 * @throws DriverError `TASK_NOT_FOUND`, `STORE_FAILED`, `EXPRESSION_INVALID`, `EDITS_INVALID`
 */
export async function showDebugger(place: TaskPlace, options: DebuggerOptions): Promise<number> {
  await using logs = await EventLogs.openFor(place);
  const { history: recorded, note } = logs.history(place, options.showArgs);
  // A bundle does not grow, and a destroyed task has no further events.
  const live = logs.folders.length > 0 && recorded.events.at(-1)?.to !== "destroyed";
  const coming = logs.coming().pipe(
    filter(({ stream, seq }) => stream === recorded.stream && seq > recorded.length),
    map(shownEvent(options.showArgs)),
  );
  const opened = initialState(recorded, terminalSize(), live);
  await show(begin(note === undefined ? opened : notified(opened, note), options), live ? coming : EMPTY);
  return 0;
}

function begin(state: DebuggerState, { breakpoints, edits }: DebuggerOptions): DebuggerState {
  const edited = edits.length === 0 ? state : withEdits(state, edits);
  if (breakpoints.length === 0) return edited;
  const set = breakpoints.reduce((before, text) => {
    const after = setBreakpoint(before, text);
    if (after.notice?.isProblem) throw new DriverError("EXPRESSION_INVALID", after.notice.text);
    return after;
  }, edited);
  return continueTo({ ...set, at: 0 }, 1);
}

async function show(initial: DebuggerState, coming: Observable<StoredEvent>): Promise<void> {
  const { stdin, stdout } = process;
  const style = styleFor(stdout);
  const interrupts = catchInterrupts();
  const ended = Promise.withResolvers<void>();
  let state = initial;
  let isScheduled = false;
  /** Draws one frame for many keys at once, such as a pasted text. */
  const drawSoon = () => {
    if (isScheduled) return;
    isScheduled = true;
    setImmediate(() => {
      isScheduled = false;
      endOnError(() => screen.draw(frame(state, style)));
    });
  };
  /** Ends the view on an unexpected error, so that the terminal is restored. */
  const endOnError = (work: () => void) => {
    try {
      work();
    } catch (thrown) {
      ended.reject(thrown);
    }
  };
  const take = (input: Input) =>
    endOnError(() => {
      state = reduce(state, input);
      if (state.over) ended.resolve();
      else drawSoon();
    });
  const screen = openScreen(stdout, stdin, {
    onKey: (key) => take({ kind: "key", key }),
    onChange: () => take({ kind: "resize", size: terminalSize() }),
  });
  whenAborted(interrupts.stop, () => ended.resolve());
  const following = coming.subscribe({
    next: (event) => take({ kind: "events", events: [event] }),
    error: (thrown) => ended.reject(thrown),
  });
  try {
    drawSoon();
    await ended.promise;
  } finally {
    following.unsubscribe();
    screen.close();
    interrupts.release();
  }
}

/** The size of the terminal; 80 × 24 if it reports none. */
function terminalSize(): Size {
  const { columns, rows } = process.stdout;
  return { columns: columns || 80, rows: rows || 24 };
}
