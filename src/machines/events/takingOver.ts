/** Events of a plugin process that takes over a running task from another process. Pure. */
import { z } from "zod";
import { defineEvent } from "./defineEvent.ts";
import { pluginProcess, processIdentity } from "./shared.ts";

/** The driver looked for a task of HashiCorp's Go driver by its handle. The task's history begins here. */
const adopted = defineEvent({
  schema: z.object({
    /** From the handle: the outermost process, and its start time in milliseconds since the epoch. */
    handle: z.object({ pid: z.number(), startedAt: z.number() }),
    /** The task's running processes; null if none run, or if it is not certain that they are the task's. */
    found: z
      .object({
        /** PID 1 of the task's pid namespace. */
        init: processIdentity,
        task: processIdentity,
        uid: z.number(),
        gid: z.number(),
        bootId: z.string(),
      })
      .nullable(),
    /** OOM kills that the cgroup had counted before the takeover. */
    oomKills: z.number(),
    /** Folder of the status file and the alive FIFO of the task's witness. */
    runFolder: z.string(),
    plugin: pluginProcess,
  }),
  evolve: ({ data }) => ({ adopted: data, process: data.found, startedAt: data.handle.startedAt }),
  title: "Taken over from the Go driver",
  summary: ({ handle, found }) => {
    const what = found === null ? "nothing that runs" : `pid ${found.task.pid}, below ${found.init.pid}`;
    return `from the Go driver, whose process was ${handle.pid}: ${what}`;
  },
  shown: { tone: "plain", category: "takeover", group: "opens", parties: ["driver", "driver"] },
  fields: {
    ignored: [
      ...(["handle", "oomKills", "runFolder", "plugin.pid"] as const),
      ...(["found.init", "found.task", "found.uid", "found.gid", "found.bootId"] as const),
    ],
    masked: {},
  },
});

/** A new plugin process took over the running task. */
const recovered = defineEvent({
  schema: z.object({ plugin: pluginProcess, found: z.string() }),
  evolve: (_, { recoveries }: { readonly recoveries: number }) => ({
    recoveries: recoveries + 1,
    stop: null,
  }),
  title: "Taken over by a new plugin process",
  summary: ({ plugin, found }) => `by plugin process ${plugin.pid}: ${found}`,
  counts: {
    name: "exec2_task_recoveries_total",
    help: "Recoveries of running tasks by another plugin process.",
    totals: ({ recoveries }: { readonly recoveries: number }) => [["", recoveries]],
  },
  shown: { tone: "good", category: "takeover", group: "opens", parties: ["driver", "driver"] },
  fields: { ignored: ["plugin.pid"], masked: {} },
});

export const takingOver = { adopted, recovered };
