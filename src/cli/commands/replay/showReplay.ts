/** `replay` without a terminal: every moment of a task's history, one after another. */
import { type Breakpoint, parseBreakpoint, stopsAmong } from "../../../replay/breakpoint.ts";
import type { Moment } from "../../../replay/history.ts";
import { EventLogs, type TaskPlace } from "../../logs/eventLogs.ts";
import { print } from "../../terminal/print.ts";
import { styleFor, widthOf } from "../../terminal/style.ts";
import { ReplayView } from "./replayView.ts";

export interface ReplayOptions {
  readonly showArgs: boolean;
  readonly json: boolean;
  /** Moments to be shown alone (replay/breakpoint.ts); none: all moments are. */
  readonly breakpoints: readonly string[];
}

/**
 * @returns the exit code
 * @throws DriverError `TASK_NOT_FOUND`, `STORE_FAILED`, `EXPRESSION_INVALID`
 */
export async function showReplay(
  { path, name }: TaskPlace,
  { showArgs, json, breakpoints }: ReplayOptions,
): Promise<number> {
  const stops = breakpoints.map(parseBreakpoint);
  const logs = await EventLogs.open(path);
  try {
    const history = logs.history(name, showArgs);
    const view = new ReplayView(styleFor(process.stdout), widthOf(process.stdout));
    if (!json) print(view.title(history));
    for (const moment of stopsOrAll(history.moments(), stops)) {
      print(json ? view.json(moment) : `\n${view.moment(history, moment)}`);
    }
  } finally {
    await logs.close();
  }
  return 0;
}

/** Where nobody says where to stop, every moment is shown. */
export function stopsOrAll(moments: Iterable<Moment>, breakpoints: readonly Breakpoint[]): Iterable<Moment> {
  return breakpoints.length === 0 ? moments : stopsAmong(moments, breakpoints);
}
