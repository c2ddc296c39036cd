/** `replay` as plain text or JSON: prints the moments of a task's history. */
import { type Breakpoint, parseBreakpoint, stopsAmong } from "../../../replay/breakpoint.ts";
import type { Moment } from "../../../replay/history.ts";
import { EventLogs, type TaskPlace } from "../../logs/eventLogs.ts";
import { print } from "../../terminal/output.ts";
import { styleFor, widthOf } from "../../terminal/style.ts";
import { ReplayView } from "./replayView.ts";

export interface ReplayOptions {
  readonly showArgs: boolean;
  readonly json: boolean;
  /** Shows only the moments at these breakpoints (replay/breakpoint.ts). An empty list shows all moments. */
  readonly breakpoints: readonly string[];
}

/**
 * @returns the exit code
 * @throws DriverError `TASK_NOT_FOUND`, `STORE_FAILED`, `EXPRESSION_INVALID`
 */
export async function showReplay(
  place: TaskPlace,
  { showArgs, json, breakpoints }: ReplayOptions,
): Promise<number> {
  const stops = breakpoints.map(parseBreakpoint);
  const logs = await EventLogs.openFor(place);
  try {
    const { history, note } = logs.history(place, showArgs);
    const view = new ReplayView(styleFor(process.stdout), widthOf(process.stdout));
    if (!json) print(view.title(history, note));
    let shown = 0;
    for (const moment of stopsOrAll(history.moments(), stops)) {
      shown += 1;
      print(json ? view.json(moment) : `\n${view.moment(history, moment)}`);
    }
    if (shown === 0 && !json)
      print(`\nNone of the task's ${history.length} events matches ${breakpoints.join(" or ")}.`);
  } finally {
    await logs.close();
  }
  return 0;
}

/** The moments at breakpoints; all moments if there are no breakpoints. */
export function stopsOrAll(moments: Iterable<Moment>, breakpoints: readonly Breakpoint[]): Iterable<Moment> {
  return breakpoints.length === 0 ? moments : stopsAmong(moments, breakpoints);
}
