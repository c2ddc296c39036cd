/** The limits of a task's cgroup that are in force. Pure. */
import type { TaskContext } from "./taskContext.ts";

/** The limits in force; null for a resource without one. */
export interface TaskLimits {
  /** Number of the host's cores, from `cpu.max`. */
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

/** The numbers that the sandbox wrote to a file of the cgroup; none if it wrote no limit, or `max`. */
function limitOf({ sandbox }: TaskContext, file: string): readonly number[] {
  const limit = sandbox?.limits.find((each) => each.file === file && each.applied);
  const numbers = limit?.value.split(" ").map(Number) ?? [];
  return numbers.every(Number.isFinite) ? numbers : [];
}
