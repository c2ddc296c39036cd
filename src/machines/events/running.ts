/** Events of a running task. */
import { z } from "zod";
import { signalName } from "../../signalNames.ts";
import { describeEnd } from "../../taskEnd.ts";
import { formatBytes } from "../../units/sizes.ts";
import { defineEvent } from "./defineEvent.ts";
import { outOfMemory, processEnd, processIdentity } from "./shared.ts";

/** A requested signal was sent to the task's process group, which may have exited before. */
const signalled = defineEvent({
  schema: z.object({ signal: z.number(), delivered: z.boolean() }),
  evolve: ({ data }, { signals }: { readonly signals: number }) => ({
    signals: signals + (data.delivered ? 1 : 0),
  }),
  title: "Signal sent",
  summary: ({ signal, delivered }) => `${signalName(signal)} ${delivered ? "delivered" : "came too late"}`,
  wentWrong: ({ delivered }) => !delivered,
  outcome: (summary) => summary,
  shown: { tone: "plain", category: "run", group: "continues", parties: ["driver", "task"] },
  fields: { ignored: [], masked: {} },
});

const command = z.object({
  /** Number of the command: 1 for the first one in the task. */
  exec: z.number(),
  /** Absolute path of its program. */
  command: z.string(),
  user: z.string(),
  terminal: z.boolean(),
  /** Main process of the command, leader of its session. */
  process: processIdentity,
});

export interface ExecHistory {
  /** Number of the last command; 0: there was none. */
  readonly last: number;
  /** Commands that have not exited, by the events so far. */
  readonly running: readonly z.infer<typeof command>[];
}

/** A command was started in the task. No event has its arguments: they may hold secrets. */
const execStarted = defineEvent({
  schema: command,
  evolve: ({ data }, { execs: { last, running } }: { readonly execs: ExecHistory }) => ({
    execs: { last: Math.max(last, data.exec), running: [...running, data] },
  }),
  title: "Command started",
  summary: ({ exec, command, user, terminal, process }) =>
    `command ${exec}: ${command} as ${user}, pid ${process.pid}${terminal ? ", with a terminal" : ""}`,
  shown: { tone: "plain", category: "command", group: "opens", parties: ["driver", "task"] },
  fields: { ignored: ["exec", "process"], masked: {} },
});

/** The command has ended, and with it every process of its session. */
const execExited = defineEvent({
  schema: z.object({
    exec: z.number(),
    ...processEnd,
    /** `ended`: by itself, or with the task. Otherwise it was killed, for this reason. */
    reason: z.enum(["ended", "cancelled", "timedOut", "pluginEnded"]),
  }),
  evolve: ({ data }, { execs: { last, running } }: { readonly execs: ExecHistory }) => ({
    execs: { last, running: running.filter(({ exec }) => exec !== data.exec) },
  }),
  title: "Command ended",
  summary: ({ exec, reason, ...end }) =>
    `command ${exec}: ${reason === "ended" ? describeEnd(end) : `killed, ${commandKilled[reason]}`}`,
  outcome: (summary) => summary,
  shown: { tone: "plain", category: "command", group: "closes", parties: ["task", "driver"] },
  fields: { ignored: ["exec"], masked: {} },
});

const commandKilled = {
  cancelled: "its client disconnected",
  timedOut: "it timed out",
  pluginEnded: "the plugin exited",
};

/** The OOM killer killed processes of the task, and the task went on. */
const oomSeen = defineEvent({
  schema: outOfMemory,
  evolve: ({ data, time }) => ({ oom: { ...data, at: time } }),
  title: "Out of memory",
  summary: ({ kills, limitBytes }) => {
    const limit = limitBytes === null ? "" : `, limit ${formatBytes(limitBytes)}`;
    return `${kills} ${kills === 1 ? "process" : "processes"} killed for lack of memory so far${limit}`;
  },
  shown: { tone: "bad", category: "run", group: "continues", parties: ["task", "driver"] },
  fields: { ignored: ["peakBytes"], masked: {} },
});

export const running = { signalled, execStarted, execExited, oomSeen };
