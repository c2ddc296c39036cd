/** Lack of memory in a task's cgroup: told of while the task runs, and part of how it ended. */
import { readOutOfMemory, watchOutOfMemory } from "../../effects/outOfMemory.ts";
import type { EventData } from "../../machines/events.ts";
import type { TaskContext } from "../../machines/taskContext.ts";
import { wasFatal } from "../outOfMemory.ts";
import type { Task } from "../task.ts";

/** Records a lack of memory that the task comes through; until the run is released. */
export function watchMemory(task: Task): void {
  const { request } = task.snapshot.context;
  if (request === null) return;
  const { resources } = task;
  resources.oomWatch?.();
  resources.oomWatch = watchOutOfMemory(request.resources.cgroup, () => void record(task));
}

/**
 * What a lack of memory had to do with a task's end.
 * @param status how the task ended; undefined where nobody knows, or this driver killed it
 */
export function memoryAtEnd(
  context: TaskContext,
  status: Pick<EventData<"exited">, "exitCode" | "endedAt"> | undefined,
): Pick<EventData<"exited">, "oom" | "oomKilled"> {
  const oom = outOfMemory(context);
  // A kill elsewhere in the cgroup that the task came through unharmed is not its end.
  const bad = status !== undefined && status.exitCode !== 0;
  return { oom, oomKilled: bad && wasFatal(oom, context.oom, status.endedAt) };
}

async function record(task: Task): Promise<void> {
  const { context } = task.snapshot;
  const found = outOfMemory(context);
  if (found !== null && found.kills > (context.oom?.kills ?? 0)) await task.record("oomSeen", found);
}

function outOfMemory({ request, sandbox, adopted }: TaskContext): EventData<"exited">["oom"] {
  const before = sandbox?.oomKills ?? adopted?.oomKills;
  return request === null || before === undefined ? null : readOutOfMemory(request.resources.cgroup, before);
}
