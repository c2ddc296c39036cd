/** An edited history beside the recorded one: what the machine would have done. Pure. */
import { History } from "../../../replay/history.ts";
import { diffHistories } from "../../../replay/historyDiff.ts";
import { type Edit, whatIf } from "../../../replay/whatIf.ts";
import { type DiffView, diffView } from "./diffView.ts";

export interface WhatIfView {
  /** The recorded history on the left, the edited one on the right. */
  readonly diff: DiffView;
  /** Where they diverge, and how the edited one ends. */
  readonly text: string;
}

/** @throws DriverError `EDITS_INVALID` */
export function whatIfView(recorded: History, edits: readonly Edit[]): WhatIfView {
  const { history, fork } = whatIf(recorded, edits);
  const [now, then] = [history, recorded].map((each) => each.finalState.value);
  const from = fork === 1 ? "Different from the first event on" : `As recorded up to event ${fork - 1}`;
  const end = now === then ? `it ends in ${now}, as it did` : `it ends in ${now}; it did end in ${then}`;
  return { diff: diffView(diffHistories(recorded, withMachineResults(history))), text: `${from}; ${end}.` };
}

/** The history with the machine's results in place of the recorded ones. */
function withMachineResults(history: History): History {
  const events = Array.from(history.moments(), ({ stored, before, after, effects }) => ({
    ...stored,
    from: before.value,
    to: after.value,
    effects,
  }));
  return new History(history.stream, events, history.machine);
}
