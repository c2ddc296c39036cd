/** The limits of a task's cgroup that are in force. Pure. */
import type { TaskContext } from "./taskContext.ts";

/** Null without a limit that is in force. */
export interface TaskLimits {
  /** Cores of the host's, of `cpu.max`. */
  readonly cores: number | null;
  readonly memoryBytes: number | null;
  /** Processes and threads. */
  readonly pids: number | null;
}

export function limitsOf(context: TaskContext): TaskLimits {
  const [quota = 0, period = 0] = limitOf(context, "cpu.max");
  return {
    cores: period > 0 ? quota / period : null,
    memoryBytes: limitOf(context, "memory.max")[0] ?? null,
    pids: limitOf(context, "pids.max")[0] ?? null,
  };
}

/** The numbers in force for a file of the cgroup; none without a limit, or if it is `max`. */
function limitOf({ sandbox }: TaskContext, file: string): readonly number[] {
  const limit = sandbox?.limits.find((each) => each.file === file && each.applied);
  const numbers = limit?.value.split(" ").map(Number) ?? [];
  return numbers.every(Number.isFinite) ? numbers : [];
}
