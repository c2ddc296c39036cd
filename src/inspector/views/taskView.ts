/** A task's data for the page: its steps, any moment, and its usage. Pure. */

import { contextDiff } from "../../history/replay/contextDiff.ts";
import type { EffectOutcome, Moment } from "../../history/replay/history.ts";
import { type UsageSpan, usageSpans, usageText } from "../../history/why/usage.ts";
import { eventTypes, traitsOf } from "../../machines/events.ts";
import { limitsOf, type TaskContext, type TaskLimits } from "../../machines/taskContext.ts";
import { isStateName, reportsOf, taskStates } from "../../machines/taskMachine.ts";
import type { UsageSample } from "../../store/usage/usageSample.ts";
import { phraseOf } from "./phrase.ts";
import { type EventKind, type StepNames, unknown } from "./stepTable.ts";

/** A task's steps, from a given step on. */
export interface TaskSteps {
  /** The names for the numbers in the steps. */
  readonly names: StepNames;
  /** The requested steps, in the form of {@link StepTable.toNumbers}. */
  readonly numbers: readonly number[];
}

const states = Object.keys(taskStates);

/** The event types and states. Their indexes are their numbers in steps. */
export const stepNames: StepNames = {
  kinds: eventTypes.flatMap((type): EventKind | [] => {
    const traits = traitsOf(type);
    if (traits === undefined) return [];
    const { title, shown } = traits;
    return { type, title, category: shown.category, group: shown.group };
  }),
  states,
};

const kindNumbers = new Map<string, number>(eventTypes.map((type, index) => [type, index]));

export function kindNumber(type: string): number {
  return kindNumbers.get(type) ?? unknown;
}

export function stateNumber(state: string): number {
  return isStateName(state) ? states.indexOf(state) : unknown;
}

/** The task after an event. */
export interface MomentView {
  readonly seq: number;
  readonly state: string;
  readonly type: string;
  /** The event in plain words. */
  readonly text: string;
  readonly data: unknown;
  /** False if this version's machine refuses the event, or its result differs from the recorded one. */
  readonly asRecorded: boolean;
  readonly context: TaskContext;
  /** What the event changed. `before` is null for an added value, `after` for a removed value. */
  readonly changes: readonly { readonly path: string; readonly before: unknown; readonly after: unknown }[];
  readonly effects: readonly {
    readonly effect: string;
    /** False if no type of event reports the effect. */
    readonly reports: boolean;
    /** The event that reports the effect, and the time between the two events; null if there is none yet. */
    readonly report: { readonly seq: number; readonly type: string; readonly afterMs: number } | null;
  }[];
}

/** @param effects the results of the moment's effects so far */
export function momentView(moment: Moment, effects: readonly EffectOutcome[]): MomentView {
  const { seq, stored, before, after, asRecorded } = moment;
  return {
    seq,
    state: after.value,
    type: stored.type,
    text: phraseOf(stored).text,
    data: stored.data,
    asRecorded,
    context: after.context,
    changes: contextDiff(before.context, after.context)
      .map(({ path, before: old, after: now }) => ({
        path: path.join("."),
        before: old ?? null,
        after: now ?? null,
      }))
      // An added field whose value is null tells nothing.
      .filter((change) => change.before !== null || change.after !== null),
    effects: effects.map(({ effect, report }) => ({
      effect,
      reports: reportsOf(effect)?.length !== 0,
      report: report
        ? { seq: report.seq, type: report.stored.type, afterMs: report.stored.time - stored.time }
        : null,
    })),
  };
}

export interface UsageView {
  /** In chronological order. */
  readonly spans: readonly UsageSpan[];
  readonly limits: TaskLimits;
  /** A sentence on the whole run; empty if too little is known. */
  readonly text: string;
}

export function usageView(samples: readonly UsageSample[], context: TaskContext): UsageView {
  const limits = limitsOf(context);
  return { spans: usageSpans(samples), limits, text: usageText(samples, limits) ?? "" };
}
