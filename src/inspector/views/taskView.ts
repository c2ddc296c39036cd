/** One task as the page shows it: its steps, and any moment. Pure. */
import type { TaskContext } from "../../machines/taskContext.ts";
import { contextDiff } from "../../replay/contextDiff.ts";
import { effectOutcomes, type History } from "../../replay/history.ts";
import { explain } from "../../why/explain.ts";
import type { Sentence } from "../../why/facts.ts";
import { type Outcome, outcomeOf } from "./outcome.ts";
import { type StepLine, stepLine } from "./story.ts";

export interface TaskView {
  readonly id: string;
  readonly outcome: Outcome;
  /** The explanation, in the order of what happened, with the events that prove it. */
  readonly sentences: readonly Sentence[];
  readonly steps: readonly StepLine[];
}

/** The task after an event. */
export interface MomentView {
  readonly seq: number;
  readonly state: string;
  readonly type: string;
  readonly data: unknown;
  /** False if this version's machine refuses the event, or its result differs from the recorded one. */
  readonly asRecorded: boolean;
  readonly context: TaskContext;
  /** What the event changed. An added value is null before, a removed one after. */
  readonly changes: readonly { readonly path: string; readonly before: unknown; readonly after: unknown }[];
  readonly effects: readonly {
    readonly effect: string;
    /** The event that reports it, and the time until then. */
    readonly report: { readonly seq: number; readonly type: string; readonly afterMs: number } | null;
  }[];
}

/** @param from number of the first step to return */
export function taskView(history: History, from = 1): TaskView {
  return {
    id: history.stream,
    outcome: outcomeOf(history.stateAfter(history.length)),
    sentences: explain(history).sentences,
    steps: Array.from(history.moments(from), stepLine),
  };
}

/** @throws RangeError if there is no such event */
export function momentView(history: History, seq: number): MomentView {
  const moment = history.at(seq);
  const { stored, before, after, asRecorded } = moment;
  return {
    seq,
    state: after.value,
    type: stored.type,
    data: stored.data,
    asRecorded,
    context: after.context,
    changes: contextDiff(before.context, after.context).map((change) => ({
      path: change.path.join("."),
      before: change.before ?? null,
      after: change.after ?? null,
    })),
    effects: effectOutcomes(history, moment).map(({ effect, report }) => ({
      effect,
      report: report
        ? { seq: report.seq, type: report.stored.type, afterMs: report.stored.time - stored.time }
        : null,
    })),
  };
}
