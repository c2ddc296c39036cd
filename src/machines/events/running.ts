/** Events of a running task. Pure. */

import { z } from "zod";
import { groupedBy } from "../../base/groupedBy.ts";
import { signalName } from "../../base/signalNames.ts";
import { describeEnd } from "../../base/taskEnd.ts";
import { describeTrigger, pressureKinds, pressureResources } from "../../effects/cgroup/pressure.ts";
import { formatTimes } from "../../units/counts.ts";
import { formatDuration } from "../../units/durations.ts";
import { formatBytes } from "../../units/sizes.ts";
import { defineEvent } from "./defineEvent.ts";
import {
  memoryAnnotations,
  memoryText,
  oomKills,
  outOfMemory,
  processEnd,
  processIdentity,
} from "./shared.ts";

/** A requested signal was sent to the task's process group, which may already have exited. */
const signalled = defineEvent({
  schema: z.object({ signal: z.number(), delivered: z.boolean() }),
  evolve: ({ data: { signal, delivered }, time }, { signals }: { readonly signals: number }) =>
    delivered ? { signals: signals + 1, lastSignal: { signal, at: time } } : {},
  title: "Signal sent",
  summary: ({ signal, delivered }) => `${signalName(signal)} ${delivered ? "delivered" : "came too late"}`,
  wentWrong: ({ delivered }) => !delivered,
  outcome: (summary) => summary,
  shown: { tone: "plain", category: "run", group: "continues", parties: ["driver", "task"] },
  fields: { ignored: [], masked: {} },
});

const command = z.object({
  /** Number of the command, from 1. Only commands with events of their own are numbered. */
  exec: z.number(),
  /** Absolute path of its program. */
  command: z.string(),
  user: z.string(),
  terminal: z.boolean(),
  /** Main process of the command, leader of its session. */
  process: processIdentity,
});

export const execHistory = z
  .object({
    /** Number of the last command with events of its own; 0: there was none. */
    last: z.number(),
    /** Number of commands without events of their own, from `execsRepeated`. */
    counted: z.number(),
    /** Commands that have not exited according to the events so far. */
    running: z.array(command).readonly(),
  })
  .readonly();

type ExecHistory = z.infer<typeof execHistory>;

/** A command was started in the task. No event has its arguments: they may hold secrets. */
const execStarted = defineEvent({
  schema: command,
  evolve: ({ data }, { execs }: { readonly execs: ExecHistory }) => ({
    execs: { ...execs, last: Math.max(execs.last, data.exec), running: [...execs.running, data] },
  }),
  title: "Command started",
  summary: ({ exec, command, user, terminal, process }) =>
    `command ${exec}: ${command} as ${user}, pid ${process.pid}${terminal ? ", with a terminal" : ""}`,
  shown: { tone: "plain", category: "command", group: "opens", parties: ["driver", "task"] },
  fields: { ignored: ["exec", "process"], masked: {} },
});

const commandEnd = {
  ...processEnd,
  /**
   * `ended`: the command ended by itself or with its task. Every other value is the reason why it was killed.
   */
  reason: z.enum(["ended", "cancelled", "timedOut", "pluginEnded"]),
};

export type CommandEnd = z.infer<z.ZodObject<typeof commandEnd>>;

/** The command has ended, and with it every process of its session. */
const execExited = defineEvent({
  schema: z.object({ exec: z.number(), ...commandEnd }),
  evolve: ({ data }, { execs }: { readonly execs: ExecHistory }) => ({
    execs: { ...execs, running: execs.running.filter(({ exec }) => exec !== data.exec) },
  }),
  title: "Command ended",
  summary: ({ exec, ...end }) => `command ${exec}: ${describeCommandEnd(end)}`,
  outcome: (summary) => summary,
  shown: { tone: "plain", category: "command", group: "closes", parties: ["task", "driver"] },
  fields: { ignored: ["exec"], masked: {} },
});

const repeatedCommands = z.object({
  /** When the first of these commands began, in milliseconds since the epoch. */
  since: z.number(),
  repetitions: z.array(
    z.object({
      /** Absolute path of the program. */
      command: z.string(),
      user: z.string(),
      ...commandEnd,
      /** Number of commands with this program, user and end. */
      count: z.number(),
    }),
  ),
  /** Number of commands that are not in the list, because its length is limited. */
  more: z.number(),
});

/** The number of commands that the event stands for. */
export function commandsIn({ repetitions, more }: z.infer<typeof repeatedCommands>): number {
  return repetitions.reduce((sum, { count }) => sum + count, more);
}

/**
 * Commands that had no events of their own: the same command had run before with the same end, as with health
 * checks, or there were too many commands. All of them have ended.
 */
const execsRepeated = defineEvent({
  schema: repeatedCommands,
  evolve: ({ data }, { execs }: { readonly execs: ExecHistory }) => ({
    execs: { ...execs, counted: execs.counted + commandsIn(data) },
  }),
  title: "Commands repeated",
  summary: ({ repetitions, more }) =>
    [
      ...repetitions.map(
        ({ command, user, count, ...end }) =>
          `${command} as ${user}, ${formatTimes(count)}: ${describeCommandEnd(end)}`,
      ),
      ...(more === 0 ? [] : [`others, ${formatTimes(more)}`]),
    ].join("; "),
  shown: { tone: "plain", category: "command", group: "opens", parties: ["task", "driver"] },
  fields: { ignored: ["since", "repetitions.count", "more"], masked: {} },
});

function describeCommandEnd({ reason, ...end }: CommandEnd): string {
  return reason === "ended" ? describeEnd(end) : `killed, ${commandKilled[reason]}`;
}

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
  message: (oom) => {
    const killed = oom.kills === 1 ? "a process" : `${oom.kills} processes`;
    return {
      text: `Out of memory: the kernel has killed ${killed} of the task; the task keeps running${memoryText(oom)}`,
      annotations: memoryAnnotations(oom),
      once: "oomSeen",
    };
  },
  counts: oomKills,
  shown: { tone: "bad", category: "run", group: "continues", parties: ["task", "driver"] },
  fields: { ignored: ["peakBytes"], masked: {} },
});

/** How often processes of a task waited longer than a trigger of its option `pressure` allows, by resource. */
export const stallHistory = z
  .array(z.object({ resource: z.enum(pressureResources), count: z.number(), waitedMs: z.number() }))
  .readonly();

type StallHistory = z.infer<typeof stallHistory>;

/** Processes of the task waited for a resource for longer than a trigger of its option `pressure` allows. */
const stalled = defineEvent({
  schema: z.object({
    /** The trigger: {@link pressureKinds} says who waited. */
    resource: z.enum(pressureResources),
    kind: z.enum(pressureKinds),
    stallMs: z.number(),
    windowMs: z.number(),
    /** Milliseconds of waiting since the last such event, or since this plugin began to watch the task. */
    waitedMs: z.number(),
    /** Milliseconds since then. */
    spanMs: z.number(),
  }),
  evolve: ({ data: { resource, waitedMs } }, { stalls }: { readonly stalls: StallHistory }) => {
    const known = stalls.find((each) => each.resource === resource);
    const { count = 0, waitedMs: before = 0 } = known ?? {};
    const others = stalls.filter((each) => each !== known);
    return { stalls: [...others, { resource, count: count + 1, waitedMs: before + waitedMs }] };
  },
  title: "Stalled",
  summary: ({ waitedMs, spanMs, ...trigger }) =>
    `${describeTrigger(trigger)}; ${formatDuration(waitedMs)} of the last ${formatDuration(spanMs)}`,
  message: (trigger) => ({
    text: `Stalled: ${describeTrigger(trigger)}; the task keeps running`,
    annotations: { stalled: trigger.resource },
    once: "stalled",
  }),
  sentences: (facts) =>
    Array.from(groupedBy(facts, ({ data }) => data.resource).values(), (of) => {
      const [first] = of as [(typeof of)[number]];
      const waited = formatDuration(of.reduce((sum, { data }) => sum + data.waitedMs, 0));
      const recorded = `recorded ${formatTimes(of.length)}, with ${waited} of waiting`;
      return { of, text: `It stalled: ${describeTrigger(first.data)} (${recorded})` };
    }),
  counts: {
    name: "exec2_task_stalls_total",
    help: "Recorded stalls of tasks: waiting for a resource longer than their option pressure allows.",
    label: ["resource", pressureResources],
    totals: ({ stalls }: { readonly stalls: StallHistory }) =>
      stalls.map(({ resource, count }) => [resource, count]),
  },
  shown: { tone: "bad", category: "run", group: "continues", parties: ["task", "driver"] },
  fields: { ignored: ["waitedMs", "spanMs"], masked: {} },
});

export const running = { signalled, execStarted, execExited, execsRepeated, oomSeen, stalled };
