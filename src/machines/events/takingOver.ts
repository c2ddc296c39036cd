/** How a running task comes to a plugin process that has not started it. */
import { z } from "zod";
import { defineEvent } from "./defineEvent.ts";
import { pluginProcess, processIdentity } from "./shared.ts";

/** A task that HashiCorp's Go driver had started was looked for by its handle: what is known of it begins here. */
const adopted = defineEvent({
  schema: z.object({
    /** The handle's words: its outermost process, and when that was started, in milliseconds since the epoch. */
    handle: z.object({ pid: z.number(), startedAt: z.number() }),
    /** What runs of it; null where that is nothing, or nothing that could be told from something else. */
    found: z
      .object({
        /** PID 1 of its pid namespace. */
        init: processIdentity,
        task: processIdentity,
        uid: z.number(),
        gid: z.number(),
        bootId: z.string(),
      })
      .nullable(),
    /** OOM kills that the cgroup had counted by then. */
    oomKills: z.number(),
    /** Folder of the status file and alive FIFO of its witness. */
    runFolder: z.string(),
    plugin: pluginProcess,
  }),
  evolve: ({ data }) => ({ adopted: data, process: data.found, startedAt: data.handle.startedAt }),
  title: "Taken over from the Go driver",
  summary: ({ handle, found }) => {
    const what = found === null ? "nothing that runs" : `pid ${found.task.pid}, below ${found.init.pid}`;
    return `from the Go driver, whose process was ${handle.pid}: ${what}`;
  },
  shown: { tone: "plain", group: "takeover", chapter: "opens", parties: ["driver", "driver"] },
  fields: {
    ignored: [
      ...(["handle", "oomKills", "runFolder", "plugin.pid"] as const),
      ...(["found.init", "found.task", "found.uid", "found.gid", "found.bootId"] as const),
    ],
    masked: {},
  },
});

/** A new plugin process has taken the running task over. */
const recovered = defineEvent({
  schema: z.object({ plugin: pluginProcess, found: z.string() }),
  evolve: (_, { recoveries }: { readonly recoveries: number }) => ({
    recoveries: recoveries + 1,
    stop: null,
  }),
  title: "Taken over by a new plugin process",
  summary: ({ plugin, found }) => `by plugin process ${plugin.pid}: ${found}`,
  shown: { tone: "good", group: "takeover", chapter: "opens", parties: ["driver", "driver"] },
  fields: { ignored: ["plugin.pid"], masked: {} },
});

export const takingOver = { adopted, recovered };
