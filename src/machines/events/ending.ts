/** Events about stopping a task, and about its end. Pure. */
import { z } from "zod";
import { signalName } from "../../base/signalNames.ts";
import { describeEnd, describeTaskEnd, endSources } from "../../base/taskEnd.ts";
import { formatDuration } from "../../units/durations.ts";
import { blackBox } from "./blackBox.ts";
import { cause, withCause } from "./cause.ts";
import { defineEvent } from "./defineEvent.ts";
import {
  memoryAnnotations,
  memoryText,
  oomKills,
  outOfMemory,
  outputPositions,
  processEnd,
} from "./shared.ts";

const stop = z.object({ signal: z.number(), timeoutMs: z.number() });

/** The last requested stop. `requestedAt` is in milliseconds since the epoch. */
export const stopInProgress = stop.extend({ requestedAt: z.number(), timedOut: z.boolean() }).readonly();

const stopRequested = defineEvent({
  schema: stop.extend({
    /**
     * Why the caller stops the task, as a clause: `run` says it, such as `bad exited with 42`. Missing for agents, whose
     * requests have no reason.
     */
    reason: z.string().optional(),
  }),
  evolve: ({ data: { signal, timeoutMs }, time }) => ({
    stop: { signal, timeoutMs, requestedAt: time, timedOut: false },
  }),
  title: "Stop requested",
  summary: ({ signal, timeoutMs, reason }) =>
    `${signalName(signal)}, then ${formatDuration(timeoutMs)} to end${reason === undefined ? "" : `, because ${reason}`}`,
  shown: { tone: "plain", category: "end", group: "opens", parties: ["agent", "driver"] },
  fields: { ignored: [], masked: {} },
});

export interface Stopping {
  readonly stop: z.infer<typeof stopInProgress> | null;
  readonly request: { readonly options: { readonly [option: string]: unknown } } | null;
}

const stopCommandEnd = z.object({
  /** `taskEnded`: the task ended first, and the command with it. */
  reason: z.enum(["ended", "timedOut", "taskEnded", "notRun"]),
  /** The end of a command that ended by itself; null otherwise. */
  end: z.object(processEnd).nullable(),
  /** Why the command could not be run; null if it was. */
  error: z.string().nullable(),
  /** Milliseconds that the command could take. */
  limitMs: z.number(),
});

/** The task's stop command is over. Unless it has succeeded, the stop's signal follows at once. */
const stopCommandEnded = defineEvent({
  schema: stopCommandEnd,
  evolve: () => ({}),
  title: "Stop command over",
  summary: (data) => `the stop command ${describeStopCommand(data)}`,
  wentWrong: (data) => stopCommandFailed(data),
  message: (data, { stop }: Stopping) => {
    if (!stopCommandFailed(data)) return undefined;
    const signal = signalName(stop?.signal ?? 0);
    return {
      text: `The stop command ${describeStopCommand(data)}; ${signal} is sent`,
      annotations: { signal },
    };
  },
  outcome: (summary) => summary,
  shown: { tone: "plain", category: "end", group: "continues", parties: ["task", "driver"] },
  fields: { ignored: ["error"], masked: {} },
});

type StopCommandEnd = z.infer<typeof stopCommandEnd>;

/** Whether a stop command did not do what it was run for. */
export function stopCommandFailed({ reason, end }: StopCommandEnd): boolean {
  return reason === "notRun" || reason === "timedOut" || (end !== null && end.exitCode !== 0);
}

/** How a stop command ended, as the end of a sentence about it. */
export function describeStopCommand({ reason, end, error, limitMs }: StopCommandEnd): string {
  if (reason === "notRun") return `could not be run: ${error}`;
  if (reason === "timedOut") return `was killed, because it took more than ${formatDuration(limitMs)}`;
  if (reason === "taskEnded" || end === null) return "ended with the task";
  return `${end.signal > 0 ? "was" : "ended with"} ${describeEnd(end)}`;
}

/** The task was still running after the timeout of the stop. */
const stopTimedOut = defineEvent({
  schema: z.object({ timeoutMs: z.number() }),
  evolve: (_, { stop }: Stopping) => ({
    stop: stop && { ...stop, timedOut: true },
  }),
  title: "Stop timed out",
  summary: ({ timeoutMs }) => `still running after ${formatDuration(timeoutMs)}`,
  message: ({ timeoutMs }, { stop, request }: Stopping) => {
    const signal = signalName(stop?.signal ?? 0);
    const after = request?.options.stop_command === undefined ? signal : "its stop was requested";
    return { text: `Killed: still running ${timeoutMs} ms after ${after}`, annotations: { signal } };
  },
  shown: { tone: "wrong", category: "end", group: "continues", parties: ["driver", "driver"] },
  fields: { ignored: [], masked: {} },
});

const destroyRequested = defineEvent({
  schema: z.object({ force: z.boolean() }),
  evolve: () => ({}),
  title: "Removal requested",
  summary: ({ force }) => (force ? "whether it runs or not" : "if it has ended"),
  shown: { tone: "plain", category: "end", group: "opens", parties: ["agent", "driver"] },
  fields: { ignored: [], masked: {} },
});

const killReasons = {
  stopTimedOut: "it did not stop in time",
  destroyRequested: "its removal was requested",
};

const waitingThread = z.object({
  /** Its process, and the thread itself, by their pids on the host. */
  pid: z.number(),
  thread: z.number(),
  /** Its name, which it chooses itself; null if nobody knows what must be masked in it. */
  program: z.string().nullable(),
  /** `R`, `S`, `D`, `T`, …: proc_pid_stat(5). */
  state: z.string(),
  /** Name of the system call that it was in; null: none. */
  call: z.string().nullable(),
  /** The kernel's function that it slept in; null: none, or the kernel does not tell. */
  wait: z.string().nullable(),
  /** Of a thread that heeded no signals (`D`): the kernel's functions, the innermost first. */
  stack: z.array(z.string()),
});

/** SIGKILL was sent to the task's main process. Its init then ends the rest of the run. */
const forceKilled = defineEvent({
  schema: z.object({
    reason: z.enum(["stopTimedOut", "destroyRequested"]),
    delivered: z.boolean(),
    /**
     * What the threads of its main process, and of the processes that this has started, waited in right before. Missing
     * unless it had not stopped in time.
     */
    waits: z
      .object({
        /** The main process's first. */
        threads: z.array(waitingThread),
        /** How many further threads were seen, but not looked at. */
        more: z.number(),
      })
      .optional(),
  }),
  evolve: ({ data }, known: { readonly forceKilled: boolean }) => ({
    forceKilled: known.forceKilled || data.delivered,
  }),
  title: "Killed",
  summary: ({ reason, delivered }) =>
    `SIGKILL ${delivered ? "delivered" : "came too late"}: ${killReasons[reason]}`,
  outcome: () => "SIGKILL sent",
  shown: { tone: "bad", category: "end", group: "continues", parties: ["driver", "task"] },
  fields: { ignored: ["waits"], masked: {} },
});

const exit = z.object({
  ...processEnd,
  /** Whether an OOM kill ended the task. */
  oomKilled: z.boolean(),
  /** OOM kills while the task ran, whether or not they ended the task; null if there were none. */
  oom: outOfMemory.nullable(),
  /** Milliseconds since the epoch, from the status that init recorded. */
  endedAt: z.number(),
  source: z.enum(endSources),
  /**
   * Its main process ended with 0 by itself while processes of the task still ran, which were killed: those of a program
   * that goes on in the background, for example. Missing for any other end, and if nobody knows.
   */
  leftProcesses: z.literal(true).optional(),
  /** Why the task failed; null if it did not fail, or if nobody could look for the cause. */
  cause: cause.nullable(),
  /**
   * What has changed since the last good run of the same task, in words, without values of variables and arguments.
   * Missing if the cause is known, or if it is more than two things.
   */
  changes: z.array(z.string()).optional(),
  /** Where the run's output ends in its log files; null unless the driver writes them. */
  output: outputPositions
    .extend({
      /** Whether all of it is there, or counted as lost. False if its logger was killed before it had ended. */
      complete: z.boolean(),
    })
    .nullable(),
  /** What the task's folders had on disk at its end, if it has a limit there: the driver reads it from the quota. */
  disk: z.object({ bytes: z.number(), files: z.number() }).optional(),
  /**
   * What tells the program's file from another version of it: its size, and a keyed digest of its first and last
   * 64 KiB, in hex. Missing if the file could not be read, or has changed since the start.
   */
  program: z.object({ bytes: z.number(), digest: z.string() }).optional(),
  /**
   * The end of a failed run's output, at most 64 KiB, without values of its environment. Missing unless the operator
   * keeps it (`keep_output`).
   */
  kept: z.object({ stdout: z.string(), stderr: z.string() }).optional(),
  /** What the black box had; missing if the task did not fail, and without a black box. */
  blackBox: blackBox.optional(),
});

/** How a run ended, without what is found out later: why, and where its output ends. */
export type Exit = Omit<z.infer<typeof exit>, "cause" | "blackBox" | "output" | "kept">;

/** The task's main process has ended, and with it every process of its namespace. */
const exited = defineEvent({
  schema: exit,
  // What is known of a task stays small: who shows the kept output reads it in the event.
  evolve: ({ data: { kept, ...data } }) => ({ exit: data }),
  title: "Ended",
  summary: (data) => withCause(describeTaskEnd(data), data),
  // An end that was requested is no failure, whatever the exit code, unless an OOM kill ended the task.
  wentWrong: ({ oomKilled, exitCode }, from) =>
    oomKilled || (exitCode !== 0 && from !== "stopping" && from !== "killing"),
  message: ({ source, oomKilled, oom }, known: { readonly oom: { readonly kills: number } | null }) => {
    if (source === "unknown") return { text: "The task is gone and its exit code is unknown" };
    if (source === "taskFile")
      return { text: "Exit code from the file that the Go driver wrote in the task's own folder" };
    const annotations = memoryAnnotations(oom);
    if (oomKilled) {
      const text = `Killed by the kernel: out of memory${memoryText(oom)}`;
      return { text, annotations: { oom_killed: "true", ...annotations } };
    }
    if (oom === null || oom.kills <= (known.oom?.kills ?? 0)) return undefined;
    const text = `Out of memory: the kernel killed ${oom.kills} of the task's processes while it ran`;
    return { text: `${text}${memoryText(oom)}`, annotations };
  },
  counts: oomKills,
  outcome: (summary) => summary,
  shown: { tone: "plain", category: "end", group: "closes", parties: ["task", "driver"] },
  fields: {
    ignored: ["endedAt", "oom.peakBytes", "cause.line", "changes", "disk", "output", "kept", "blackBox"],
    masked: {
      "cause.line": "text",
      "kept.stdout": "text",
      "kept.stderr": "text",
      "blackBox.missed.path": "text",
      "blackBox.calls.object": "text",
    },
  },
});

/** The driver can learn nothing more about the task; `reason` says why. */
const lost = defineEvent({
  schema: z.object({ reason: z.string() }),
  evolve: ({ data }) => ({ lostReason: data.reason }),
  title: "Lost",
  summary: ({ reason }) => reason,
  message: ({ reason }) => ({ text: `Lost: ${reason}` }),
  shown: { tone: "wrong", category: "end", group: "closes", parties: ["driver", "driver"] },
  fields: { ignored: [], masked: {} },
});

/** The agent is done with the task. */
const destroyed = defineEvent({
  schema: z.object({}),
  evolve: () => ({}),
  title: "Destroyed",
  summary: () => "removed by the agent",
  shown: { tone: "plain", category: "end", group: "opens", parties: ["agent", "driver"] },
  fields: { ignored: [], masked: {} },
});

export const ending = {
  stopRequested,
  stopCommandEnded,
  stopTimedOut,
  destroyRequested,
  forceKilled,
  exited,
  lost,
  destroyed,
};
