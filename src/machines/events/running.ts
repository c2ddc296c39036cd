/** What happens to a task while it runs. */
import { z } from "zod";
import { signalName } from "../../signalNames.ts";
import { formatBytes } from "../../units/sizes.ts";
import { defineEvent } from "./defineEvent.ts";
import { describeEnd, outOfMemory, processEnd, processIdentity } from "./shared.ts";

/** A signal that was asked for reached the task's process group, or found it gone. */
const signalled = defineEvent({
  schema: z.object({ signal: z.number(), delivered: z.boolean() }),
  evolve: ({ data }, { signals }: { readonly signals: number }) => ({
    signals: signals + (data.delivered ? 1 : 0),
  }),
  title: "Signal sent",
  summary: ({ signal, delivered }) => `${signalName(signal)} ${delivered ? "delivered" : "came too late"}`,
  wentWrong: ({ delivered }) => !delivered,
  outcome: (summary) => summary,
  shown: { tone: "plain", group: "run", chapter: "goesOn", parties: ["driver", "task"] },
  fields: { ignored: [], masked: {} },
});

const command = z.object({
  /** Counts the commands that were run in the task. */
  exec: z.number(),
  /** Absolute path of its program. */
  command: z.string(),
  user: z.string(),
  terminal: z.boolean(),
  /** Its main process, leader of its session. */
  process: processIdentity,
});

export interface ExecHistory {
  /** Number of the last one; 0: there was none. */
  readonly last: number;
  /** Those that run, as far as is known. */
  readonly running: readonly z.infer<typeof command>[];
}

/** A further command runs in the task. Its arguments are in no event: they may hold secrets. */
const execStarted = defineEvent({
  schema: command,
  evolve: ({ data }, { execs: { last, running } }: { readonly execs: ExecHistory }) => ({
    execs: { last: Math.max(last, data.exec), running: [...running, data] },
  }),
  title: "Command run in it",
  summary: ({ exec, command, user, terminal, process }) =>
    `command ${exec}: ${command} as ${user}, pid ${process.pid}${terminal ? ", with a terminal" : ""}`,
  shown: { tone: "plain", group: "command", chapter: "opens", parties: ["driver", "task"] },
  fields: { ignored: ["exec", "process"], masked: {} },
});

/** It has ended, and so has everything in its session. */
const execExited = defineEvent({
  schema: z.object({
    exec: z.number(),
    ...processEnd,
    /** `ended`: by itself, or with the task. The others: killed, because whoever asked for it went away, and so on. */
    reason: z.enum(["ended", "cancelled", "timedOut", "pluginEnded"]),
  }),
  evolve: ({ data }, { execs: { last, running } }: { readonly execs: ExecHistory }) => ({
    execs: { last, running: running.filter(({ exec }) => exec !== data.exec) },
  }),
  title: "Command ended",
  summary: ({ exec, reason, ...end }) =>
    `command ${exec}: ${reason === "ended" ? describeEnd(end) : `killed, ${commandKilled[reason]}`}`,
  outcome: (summary) => summary,
  shown: { tone: "plain", group: "command", chapter: "closes", parties: ["task", "driver"] },
  fields: { ignored: ["exec"], masked: {} },
});

const commandKilled = {
  cancelled: "whoever asked for it has gone",
  timedOut: "its time was over",
  pluginEnded: "the plugin has ended",
};

/** The kernel killed processes of the task for lack of memory, and the task went on. */
const oomSeen = defineEvent({
  schema: outOfMemory,
  evolve: ({ data, time }) => ({ oom: { ...data, at: time } }),
  title: "Out of memory",
  summary: ({ kills, limitBytes }) => {
    const limit = limitBytes === null ? "" : `, limit ${formatBytes(limitBytes)}`;
    return `${kills} ${kills === 1 ? "process" : "processes"} killed for lack of memory so far${limit}`;
  },
  shown: { tone: "bad", group: "run", chapter: "goesOn", parties: ["task", "driver"] },
  fields: { ignored: ["peakBytes"], masked: {} },
});

export const running = { signalled, execStarted, execExited, oomSeen };
