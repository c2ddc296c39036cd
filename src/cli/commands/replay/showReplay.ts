/** `replay` as plain text or JSON: prints the moments of a history, as recorded or with what-if edits. */
import { readFileSync } from "node:fs";
import { DriverError } from "../../../base/errors.ts";
import { parseBreakpoint, stopsAmong } from "../../../history/replay/breakpoint.ts";
import { type Edit, parseEdits, type Source, type WhatIf, whatIf } from "../../../history/replay/whatIf.ts";
import { EventLogs, type TaskPlace } from "../../histories/eventLogs.ts";
import { print } from "../../terminal/output.ts";
import { styleFor, widthOf } from "../../terminal/style.ts";
import { ReplayView } from "./replayView.ts";

export interface ReplayOptions {
  readonly showArgs: boolean;
  readonly json: boolean;
  /** Shows only the moments at these breakpoints (replay/breakpoint.ts). An empty list shows all moments. */
  readonly breakpoints: readonly string[];
  /** Applies these edits, and begins at the first of them. Undefined shows the history as it was recorded. */
  readonly edits?: readonly Edit[] | undefined;
}

/**
 * @returns the exit code
 * @throws DriverError `TASK_NOT_FOUND`, `STORE_FAILED`, `EXPRESSION_INVALID`, `EDITS_INVALID`
 */
export async function showReplay(
  place: TaskPlace,
  { showArgs, json, breakpoints, edits }: ReplayOptions,
): Promise<number> {
  const stops = breakpoints.map(parseBreakpoint);
  await using logs = await EventLogs.openFor(place);
  const { history: recorded, note } = logs.history(place, showArgs);
  const edited = edits === undefined ? undefined : whatIf(recorded, edits);
  const history = edited?.history ?? recorded;
  const view = new ReplayView(styleFor(process.stdout), widthOf(process.stdout));
  if (!json) print(view.title(history, note) + (edited ? `\n\n${beginning(edited)}` : ""));
  let shown = 0;
  const moments = history.moments(edited?.fork);
  for (const moment of stops.length === 0 ? moments : stopsAmong(moments, stops)) {
    shown += 1;
    const source = edited?.sources[moment.seq - 1];
    const from = source === undefined ? "" : `\n      (${origin(source)})`;
    print(json ? view.json(moment) : `\n${view.moment(history, moment)}${from}`);
  }
  if (json) return 0;
  if (edited !== undefined) print(`\n${ending(edited, recorded.events.at(-1)?.to)}`);
  else if (shown === 0)
    print(`\nNone of the task's ${history.length} events matches ${breakpoints.join(" or ")}.`);
  return 0;
}

/** Reads a file of edits. @throws DriverError `EDITS_INVALID` */
export function readEdits(path: string): Edit[] {
  try {
    return parseEdits(readFileSync(path, "utf8"));
  } catch (thrown) {
    throw DriverError.from(thrown, "EDITS_INVALID", "the edits cannot be read");
  }
}

function beginning({ fork }: WhatIf): string {
  return fork === 1
    ? "Different from the first event on."
    : `As recorded up to event ${fork - 1}; then, instead:`;
}

function origin({ recorded, edited }: Source): string {
  if (recorded === undefined) return "inserted";
  return edited ? `event ${recorded}, changed` : `event ${recorded}`;
}

function ending({ history }: WhatIf, recorded: string | undefined): string {
  const { value } = history.finalState;
  return value === recorded
    ? `The task still ends in ${value}.`
    : `The task ends in ${value} instead of ${recorded}.`;
}
