/** How a task is brought to its end, and how it ended. */
import { z } from "zod";
import { signalName } from "../../signalNames.ts";
import { formatDuration } from "../../units/durations.ts";
import { defineEvent } from "./defineEvent.ts";
import { describeEnd, outOfMemory, processEnd } from "./shared.ts";

export interface StopInProgress {
  readonly signal: number;
  readonly timeoutMs: number;
  readonly requestedAt: number;
  readonly timedOut: boolean;
}

const stopRequested = defineEvent({
  schema: z.object({ signal: z.number(), timeoutMs: z.number() }),
  evolve: ({ data, time }) => ({ stop: { ...data, requestedAt: time, timedOut: false } }),
  title: "Stop asked",
  summary: ({ signal, timeoutMs }) => `${signalName(signal)}, then ${formatDuration(timeoutMs)} to end`,
  shown: { tone: "plain", group: "end", chapter: "opens", parties: ["agent", "driver"] },
  fields: { ignored: [], masked: {} },
});

/** The task had not ended when its time to stop was over. */
const stopTimedOut = defineEvent({
  schema: z.object({ timeoutMs: z.number() }),
  evolve: (_, { stop }: { readonly stop: StopInProgress | null }) => ({
    stop: stop && { ...stop, timedOut: true },
  }),
  title: "Time to stop was over",
  summary: ({ timeoutMs }) => `still running after ${formatDuration(timeoutMs)}`,
  shown: { tone: "wrong", group: "end", chapter: "goesOn", parties: ["driver", "driver"] },
  fields: { ignored: [], masked: {} },
});

const destroyRequested = defineEvent({
  schema: z.object({ force: z.boolean() }),
  evolve: () => ({}),
  title: "Removal asked",
  summary: ({ force }) => (force ? "whether it runs or not" : "if it has ended"),
  shown: { tone: "plain", group: "end", chapter: "opens", parties: ["agent", "driver"] },
  fields: { ignored: [], masked: {} },
});

const killReasons = { stopTimedOut: "its time to stop was over", destroyRequested: "it was to be destroyed" };

/** SIGKILL was sent to the task's main process: its init ends whatever is left of the run. */
const forceKilled = defineEvent({
  schema: z.object({ reason: z.enum(["stopTimedOut", "destroyRequested"]), delivered: z.boolean() }),
  evolve: ({ data }, known: { readonly forceKilled: boolean }) => ({
    forceKilled: known.forceKilled || data.delivered,
  }),
  title: "Killed",
  summary: ({ reason, delivered }) =>
    `SIGKILL ${delivered ? "delivered" : "came too late"}: ${killReasons[reason]}`,
  outcome: () => "SIGKILL sent",
  shown: { tone: "bad", group: "end", chapter: "goesOn", parties: ["driver", "task"] },
  fields: { ignored: [], masked: {} },
});

const exit = z.object({
  ...processEnd,
  /** Lack of memory is what ended it. */
  oomKilled: z.boolean(),
  /** Lack of memory while the task ran, whether that ended it or not; null: there was none. */
  oom: outOfMemory.nullable(),
  /** Milliseconds since the epoch, from the status that init recorded. */
  endedAt: z.number(),
  /**
   * `status`: recorded by init, or by an adopted task's witness. `forceKilled`: init had to be killed too.
   * `unknown`: init is gone and recorded nothing. `taskFile`: the Go driver's shim left the code where the
   * task could write it, too.
   */
  source: z.enum(["status", "forceKilled", "unknown", "taskFile"]),
});

/** The task's main process ended and so did everything in its namespace. */
const exited = defineEvent({
  schema: exit,
  added: { 2: { oom: null } },
  evolve: ({ data }) => ({ exit: data }),
  title: "Ended",
  summary: describeExit,
  // An end that somebody had asked for is no failure, whatever its code.
  wentWrong: ({ oomKilled, exitCode }, from) =>
    oomKilled || (exitCode !== 0 && from !== "stopping" && from !== "killing"),
  outcome: (summary) => summary,
  shown: { tone: "plain", group: "end", chapter: "closes", parties: ["task", "driver"] },
  fields: { ignored: ["endedAt", "oom.peakBytes"], masked: {} },
});

/** Nothing more can be known of the task, and why. */
const lost = defineEvent({
  schema: z.object({ reason: z.string() }),
  evolve: ({ data }) => ({ lostReason: data.reason }),
  title: "Lost",
  summary: ({ reason }) => reason,
  shown: { tone: "wrong", group: "end", chapter: "closes", parties: ["driver", "driver"] },
  fields: { ignored: [], masked: {} },
});

/** The agent is done with the task. */
const destroyed = defineEvent({
  schema: z.object({}),
  evolve: () => ({}),
  title: "Forgotten",
  summary: () => "forgotten by the agent",
  shown: { tone: "plain", group: "end", chapter: "opens", parties: ["agent", "driver"] },
  fields: { ignored: [], masked: {} },
});

export const ending = {
  stopRequested,
  stopTimedOut,
  destroyRequested,
  forceKilled,
  exited,
  lost,
  destroyed,
};

/** How a task ended. */
export function describeExit({ oomKilled, source, ...end }: z.infer<typeof exit>): string {
  if (source === "unknown") return "gone, and nobody can know how it ended";
  const how = describeEnd(end);
  if (source === "taskFile") return `${how}, by a file that the task could write`;
  return oomKilled ? `${how}: out of memory` : how;
}
