/** A task's usage for the page. Pure. */
import type { TaskContext } from "../../machines/taskContext.ts";
import { limitsOf, type TaskLimits } from "../../machines/taskLimits.ts";
import type { UsageSample } from "../../store/usage/usageSample.ts";
import { type UsageSpan, usageSpans, usageText } from "../../why/usage.ts";

export interface UsageView {
  /** In the order of time. */
  readonly spans: readonly UsageSpan[];
  readonly limits: TaskLimits;
  /** A sentence on the whole run; empty if too little is known. */
  readonly text: string;
}

export function usageView(samples: readonly UsageSample[], context: TaskContext): UsageView {
  const limits = limitsOf(context);
  return { spans: usageSpans(samples), limits, text: usageText(samples, limits) ?? "" };
}
