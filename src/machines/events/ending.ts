/** Events about stopping a task, and about its end. */
import { z } from "zod";
import { signalName } from "../../signalNames.ts";
import { describeTaskEnd, endSources } from "../../taskEnd.ts";
import { formatDuration } from "../../units/durations.ts";
import { defineEvent } from "./defineEvent.ts";
import { outOfMemory, processEnd } from "./shared.ts";

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

/** SIGKILL was sent to the task's main process. Its init then ends the rest of the run. */
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
  /** Whether an OOM kill ended the task. */
  oomKilled: z.boolean(),
  /** OOM kills while the task ran, whether or not they ended it; null: none. */
  oom: outOfMemory.nullable(),
  /** Milliseconds since the epoch, from the status that init recorded. */
  endedAt: z.number(),
  source: z.enum(endSources),
});

/** The task's main process has ended, and with it every process of its namespace. */
const exited = defineEvent({
  schema: exit,
  added: { 2: { oom: null } },
  evolve: ({ data }) => ({ exit: data }),
  title: "Ended",
  summary: describeTaskEnd,
  // An end that was requested is no failure, whatever the exit code.
  wentWrong: ({ oomKilled, exitCode }, from) =>
    oomKilled || (exitCode !== 0 && from !== "stopping" && from !== "killing"),
  outcome: (summary) => summary,
  shown: { tone: "plain", group: "end", chapter: "closes", parties: ["task", "driver"] },
  fields: { ignored: ["endedAt", "oom.peakBytes"], masked: {} },
});

/** The driver can learn nothing more about the task, for this reason. */
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
