/** Events of a task whose output the driver takes. Pure. */
import { z } from "zod";
import { formatTimes } from "../../units/counts.ts";
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
  /** Whether output has waited for the rate at which the driver takes it. */
  held: z.boolean(),
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
    `${formatBytes(stdout + stderr)} so far, because ${errno === null ? "the logger was killed" : failedWrites(errno)}`,
  message: ({ stdout, stderr, errno }) => {
    const bytes = stdout + stderr;
    const why = errno === null ? "the logger was killed" : errno;
    return {
      text: `Output lost: ${formatBytes(bytes)} could not be written to the log files (${why}); the task keeps running`,
      annotations: { lost_bytes: String(bytes), ...(errno !== null && { errno }) },
      once: "outputLost",
    };
  },
  sentences: (of) => {
    const { stdout = 0, stderr = 0, errno = null } = of.at(-1)?.data ?? {};
    const why = errno === null ? "its logger was killed" : failedWrites(errno);
    return [{ of, text: `${formatBytes(stdout + stderr)} of its output are lost, because ${why}` }];
  },
  shown: { tone: "wrong", category: "run", group: "continues", parties: ["driver", "driver"] },
  fields: { ignored: ["stdout", "stderr"], masked: {} },
});

function failedWrites(errno: string): string {
  return `writes to the log files failed with ${errno}`;
}

/** The process that writes the log files had been killed. Another goes on in the newest file. */
const loggerReplaced = defineEvent({
  schema: z.object({ logger: processIdentity.nullable() }),
  evolve: (_, { output }: { readonly output: OutputHistory }) => ({
    output: { ...output, replacements: output.replacements + 1 },
  }),
  title: "Logger replaced",
  summary: ({ logger }) =>
    `the process that takes the output was killed; ${logger === null ? "another" : `process ${logger.pid}`} goes on`,
  sentences: (of) => [
    { of, text: `The process that takes its output was killed${timesOf(of)}, and another went on` },
  ],
  shown: { tone: "bad", category: "run", group: "continues", parties: ["driver", "driver"] },
  fields: { ignored: ["logger"], masked: {} },
});

/**
 * Journald takes no output, or does again; or output has come faster than the driver takes it, which is told once.
 * Meanwhile the task runs until its pipe is full, and then waits.
 */
const outputWaits = defineEvent({
  schema: z.object({
    waits: z.boolean(),
    /** The rate for which output waits; missing if it waits for journald. */
    bytesPerSecond: z.number().optional(),
  }),
  evolve: ({ data: { waits, bytesPerSecond } }, { output }: { readonly output: OutputHistory }) => ({
    output: bytesPerSecond === undefined ? { ...output, waits } : { ...output, held: true },
  }),
  title: "Output waits",
  summary: (data) => (data.waits ? reasonToWait(data) : "no longer: journald takes it again"),
  message: (data) =>
    data.waits
      ? {
          text: `Output waits: ${reasonToWait(data)}`,
          once: data.bytesPerSecond === undefined ? "outputWaits" : "outputHeld",
        }
      : { text: "Output waits no longer: journald takes it again", once: "outputFlows" },
  sentences: (facts) => {
    const held = facts.filter(({ data }) => data.bytesPerSecond !== undefined);
    const journals = facts.filter(({ data }) => data.bytesPerSecond === undefined);
    const of = journals.filter(({ data }) => data.waits);
    const still = journals.at(-1)?.data.waits === true ? ", which takes none since then" : "";
    const rate = formatBytes(held.at(-1)?.data.bytesPerSecond ?? 0);
    return [
      ...(of.length === 0 ? [] : [{ of, text: `Its output waited for journald${timesOf(of)}${still}` }]),
      ...(held.length === 0
        ? []
        : [{ of: held, text: `Its output came faster than log_rate, ${rate} a second, and waited` }]),
    ];
  },
  shown: { tone: "bad", category: "run", group: "continues", parties: ["driver", "driver"] },
  fields: { ignored: [], masked: {} },
});

function reasonToWait({ bytesPerSecond }: { readonly bytesPerSecond?: number | undefined }): string {
  const reason =
    bytesPerSecond === undefined
      ? "journald takes none"
      : `it comes faster than log_rate, ${formatBytes(bytesPerSecond)} a second`;
  return `${reason}; once its pipe is full, the task waits, too`;
}

function timesOf({ length }: readonly unknown[]): string {
  return length === 1 ? "" : ` ${formatTimes(length)}`;
}

export const output = { outputLost, loggerReplaced, outputWaits };
