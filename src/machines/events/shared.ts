/** Schemas that several events share. Pure. */
import { z } from "zod";

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

/** The fields of a `ProcessEnd`. */
export const processEnd = { exitCode: z.number(), signal: z.number() };

/** A place in a stream of output: the number of the log file, and the offset in it. */
const logPosition = z.object({ file: z.number(), bytes: z.number() });

/** A place in each stream of output. */
export const outputPositions = z.object({ stdout: logPosition, stderr: logPosition });
