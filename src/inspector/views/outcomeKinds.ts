/** The kinds of outcomes, by which tasks are counted and found. Pure: the page loads it. */
import type { TaskResult } from "../../machines/taskResults.ts";

/** A task's result, or its current activity. */
export type OutcomeKind = TaskResult | "starting" | "running" | "stopping" | "removed";

/** `calm`: the task ended as the agent wanted. `unclear`: how it ended is unknown. */
export type Tone = "good" | "calm" | "busy" | "unclear" | "bad";

/** The tone of each kind. The page offers the kinds in this order. */
export const toneOf: Readonly<Record<OutcomeKind, Tone>> = {
  starting: "busy",
  running: "busy",
  stopping: "busy",
  completed: "good",
  stopped: "calm",
  failed: "bad",
  killed: "bad",
  "out of memory": "bad",
  "never started": "bad",
  lost: "unclear",
  removed: "calm",
};

export const outcomeKinds = Object.keys(toneOf) as readonly OutcomeKind[];
