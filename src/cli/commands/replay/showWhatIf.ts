/** `replay --what-if`: prints the edited history from the first edit on. */
import { readFileSync } from "node:fs";
import { DriverError } from "../../../errors.ts";
import { parseBreakpoint } from "../../../replay/breakpoint.ts";
import { type Edit, parseEdits, type Source, type WhatIf, whatIf } from "../../../replay/whatIf.ts";
import { EventLogs, type TaskPlace } from "../../logs/eventLogs.ts";
import { print } from "../../terminal/output.ts";
import { styleFor, widthOf } from "../../terminal/style.ts";
import { ReplayView } from "./replayView.ts";
import { type ReplayOptions, stopsOrAll } from "./showReplay.ts";

/**
 * @returns the exit code
 * @throws DriverError `EDITS_INVALID`, `TASK_NOT_FOUND`, `STORE_FAILED`, `EXPRESSION_INVALID`
 */
export async function showWhatIf(
  place: TaskPlace,
  edits: readonly Edit[],
  { showArgs, json, breakpoints }: ReplayOptions,
): Promise<number> {
  const stops = breakpoints.map(parseBreakpoint);
  const logs = await EventLogs.openFor(place);
  try {
    const { history: recorded, note } = logs.history(place, showArgs);
    const forked = whatIf(recorded, edits);
    const view = new ReplayView(styleFor(process.stdout), widthOf(process.stdout));
    const { history, fork, sources } = forked;
    if (!json) print(`${view.title(history, note)}\n\n${beginning(forked)}`);
    for (const moment of stopsOrAll(history.moments(fork), stops)) {
      const source = sources[moment.seq - 1] as Source;
      const text = json ? view.json(moment) : `\n${view.moment(history, moment)}\n      (${origin(source)})`;
      print(text);
    }
    if (!json) print(`\n${ending(forked, recorded.events.at(-1)?.to)}`);
  } finally {
    await logs.close();
  }
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
  if (recorded === undefined) return "put in";
  return edited ? `event ${recorded}, changed` : `event ${recorded}`;
}

function ending({ history }: WhatIf, recorded: string | undefined): string {
  const { value } = history.finalState;
  return value === recorded
    ? `It ends in ${value}, as it did.`
    : `It ends in ${value}; as recorded, it ended in ${recorded}.`;
}
