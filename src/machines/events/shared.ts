/** What several events tell, and how it is put into words. */
import { z } from "zod";
import { signalName } from "../../signalNames.ts";

/** Which plugin process wrote an event that depends on it. */
export const pluginProcess = z.object({ pid: z.number(), version: z.string() });

/** A process that survives the plugin: identified by both, since pids are reused. */
export const processIdentity = z.object({
  pid: z.number(),
  /** Start time in clock ticks since boot: field 22 of proc_pid_stat(5). */
  startTicks: z.number(),
});

/** Lack of memory in the task's cgroup, counted since the task was started in it. */
export const outOfMemory = z.object({
  /** Processes that the kernel killed for it. */
  kills: z.number(),
  /** Bytes; null: no limit. */
  limitBytes: z.number().nullable(),
  /** The most that was ever in use, in bytes; null where the kernel does not tell (before Linux 5.19). */
  peakBytes: z.number().nullable(),
});

/** How a process ended. */
export const processEnd = {
  /** The exit code, 128 + signal where a signal ended it, -1 where nobody can know. */
  exitCode: z.number(),
  signal: z.number(),
};

export function describeEnd({ exitCode, signal }: { exitCode: number; signal: number }): string {
  return signal > 0 ? `killed by ${signalName(signal)}` : `exit code ${exitCode}`;
}
