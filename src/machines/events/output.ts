/** Events of a task whose log files the driver writes. Pure. */
import { z } from "zod";
import { formatBytes } from "../../units/sizes.ts";
import { defineEvent } from "./defineEvent.ts";
import { processIdentity } from "./shared.ts";

const loss = z.object({
  /** Bytes of each stream that were lost so far. */
  stdout: z.number(),
  stderr: z.number(),
  /** The errno of the last write that failed, such as `ENOSPC`; null if the logger was killed. */
  errno: z.string().nullable(),
});

/** What is known of a task's output while it runs. */
export const outputHistory = z.object({
  /** How often the process that writes the log files was replaced, because it had been killed. */
  replacements: z.number(),
  /** Null if nothing was lost. */
  lost: loss.nullable(),
  /** Whether journald takes no output at the moment. */
  waits: z.boolean(),
});

type OutputHistory = z.infer<typeof outputHistory>;

/** Output of the task could not be written to its log files. The task goes on. */
const outputLost = defineEvent({
  schema: loss,
  evolve: ({ data }, { output }: { readonly output: OutputHistory }) => ({
    output: { ...output, lost: data },
  }),
  title: "Output lost",
  summary: ({ stdout, stderr, errno }) =>
    `${formatBytes(stdout + stderr)} so far, because ${errno === null ? "the logger was killed" : `writes to the log files failed with ${errno}`}`,
  shown: { tone: "wrong", category: "run", group: "continues", parties: ["driver", "driver"] },
  fields: { ignored: ["stdout", "stderr"], masked: {} },
});

/** The process that writes the log files had been killed. Another goes on in the newest file. */
const loggerReplaced = defineEvent({
  schema: z.object({ logger: processIdentity.nullable() }),
  evolve: (_, { output }: { readonly output: OutputHistory }) => ({
    output: { ...output, replacements: output.replacements + 1 },
  }),
  title: "Logger replaced",
  summary: ({ logger }) =>
    `the process that takes the output was killed; ${logger === null ? "another" : `process ${logger.pid}`} goes on`,
  shown: { tone: "bad", category: "run", group: "continues", parties: ["driver", "driver"] },
  fields: { ignored: ["logger"], masked: {} },
});

/** Journald takes no output, or does again. Meanwhile the task runs until its pipe is full, and then waits. */
const outputWaits = defineEvent({
  schema: z.object({ waits: z.boolean() }),
  evolve: ({ data: { waits } }, { output }: { readonly output: OutputHistory }) => ({
    output: { ...output, waits },
  }),
  title: "Output waits",
  summary: ({ waits }) =>
    waits
      ? "journald takes none; once its pipe is full, the task waits, too"
      : "no longer: journald takes it again",
  shown: { tone: "bad", category: "run", group: "continues", parties: ["driver", "driver"] },
  fields: { ignored: [], masked: {} },
});

export const output = { outputLost, loggerReplaced, outputWaits };
