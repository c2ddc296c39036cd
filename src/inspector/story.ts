/** A history told so that nothing has to be opened: a line a step, in plain words. Pure. */

import type { Moment } from "../replay/history.ts";
import { isError } from "../replay/search.ts";
import { summarise } from "../words/eventSummary.ts";

export interface Phrase {
  /** What happened, in a few words. */
  readonly title: string;
  /** With its particulars. */
  readonly text: string;
}

/** A step of the history, as the page shows it. */
export interface StepLine extends Phrase {
  readonly seq: number;
  readonly type: string;
  /** Milliseconds since the epoch. */
  readonly time: number;
  /** Milliseconds since the step before; null for the first. */
  readonly since: number | null;
  readonly from: string;
  readonly to: string;
  readonly effects: readonly string[];
  readonly bad: boolean;
}

export function stepLine(moment: Moment): StepLine {
  const { seq, stored, before, after, effects, sinceBefore } = moment;
  return {
    seq,
    type: stored.type,
    time: stored.time,
    since: sinceBefore ?? null,
    from: before.value,
    to: after.value,
    effects,
    bad: isError(moment),
    ...phraseOf(moment),
  };
}

function phraseOf({ event, stored, problem }: Moment): Phrase {
  const title = Object.hasOwn(titles, stored.type) ? (titles[stored.type] ?? stored.type) : stored.type;
  if (event === undefined) return { title, text: `this version cannot read it: ${problem}` };
  return { title, text: summarise(event) };
}

const titles: Readonly<Record<string, string>> = {
  requested: "Start asked",
  fingerprinted: "Host looked at",
  sandboxed: "Sandbox laid out",
  started: "Running",
  startFailed: "Start failed",
  signalled: "Signal sent",
  execStarted: "Command run in it",
  execExited: "Command ended",
  stopRequested: "Stop asked",
  stopTimedOut: "Time to stop was over",
  destroyRequested: "Removal asked",
  forceKilled: "Killed",
  oomSeen: "Out of memory",
  exited: "Ended",
  adopted: "Taken over from the Go driver",
  recovered: "Taken over by a new plugin process",
  lost: "Lost",
  destroyed: "Forgotten",
};
