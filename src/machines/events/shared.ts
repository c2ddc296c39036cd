/** Schemas that several events share. Pure. */
import { z } from "zod";
import { formatBytes } from "../../units/sizes.ts";
import type { EventCounter } from "./defineEvent.ts";

/** The plugin process that wrote the event. */
export const pluginProcess = z.object({ pid: z.number(), version: z.string() });

/** A process that may outlive the plugin. The start time is part of its identity, since pids are reused. */
export const processIdentity = z.object({
  pid: z.number(),
  /** Start time in clock ticks since boot: field 22 of proc_pid_stat(5). */
  startTicks: z.number(),
});

/** OOM kills in the task's cgroup, counted since the start of the task. */
export const outOfMemory = z.object({
  /** Processes that the OOM killer killed. */
  kills: z.number(),
  /** Bytes; null: no limit. */
  limitBytes: z.number().nullable(),
  /** Peak memory use in bytes; null where the kernel does not record it (before Linux 5.19). */
  peakBytes: z.number().nullable(),
});

type OutOfMemory = z.infer<typeof outOfMemory>;

export const oomKills = {
  name: "exec2_oom_kills_total",
  help: "Processes of tasks that the kernel killed for lack of memory.",
  totals: ({ exit, oom }) => [["", exit?.oom?.kills ?? oom?.kills ?? 0]],
} satisfies EventCounter<{
  readonly exit: { readonly oom: OutOfMemory | null } | null;
  readonly oom: OutOfMemory | null;
}>;

/** What is known of the memory, in parentheses; empty if nothing is. */
export function memoryText(oom: OutOfMemory | null): string {
  const amounts = Object.entries({ limit: oom?.limitBytes, peak: oom?.peakBytes });
  const known = amounts.flatMap(([name, bytes]) => (bytes == null ? [] : `${name} ${formatBytes(bytes)}`));
  return known.length === 0 ? "" : ` (${known.join(", ")})`;
}

/** The same as annotations of a message. */
export function memoryAnnotations(oom: OutOfMemory | null): Record<string, string> {
  if (oom === null) return {};
  const { kills, limitBytes, peakBytes } = oom;
  return {
    oom_kills: String(kills),
    ...(limitBytes !== null && { memory_limit: String(limitBytes) }),
    ...(peakBytes !== null && { memory_peak: String(peakBytes) }),
  };
}

/** The fields of a `ProcessEnd`. */
export const processEnd = { exitCode: z.number(), signal: z.number() };

/** A place in a stream of output: the number of the log file, and the offset in it. */
const logPosition = z.object({ file: z.number(), bytes: z.number() });

/** A place in each stream of output. */
export const outputPositions = z.object({ stdout: logPosition, stderr: logPosition });
