/** Watches a task that was adopted: by its witness, which is replaced where somebody has killed it. */
import { existsSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { watchExit } from "../../effects/exitWatch.ts";
import { readGoDriverExit } from "../../effects/goDriverRun.ts";
import { isSameProcess } from "../../effects/processIdentity.ts";
import { runFiles } from "../../effects/runFiles.ts";
import { readWitness, startWitness } from "../../effects/witness.ts";
import { messageOf } from "../../errors.ts";
import type { EventData } from "../../machines/events.ts";
import type { TaskSnapshot } from "../../machines/fold.ts";
import type { TaskContext } from "../../machines/taskContext.ts";
import type { RunResources } from "../runResources.ts";
import type { DriverServices } from "../services.ts";
import type { Task } from "../task.ts";
import { memoryAtEnd } from "./watchMemory.ts";

/** Until the next attempt at a witness that could not be started. */
const retryMs = 1_000;

/** Resolves once everything of the task has ended. */
export async function adoptedEnd(task: Task, services: DriverServices): Promise<void> {
  const { adopted, process, request } = task.snapshot.context;
  if (adopted === null || process === null || request === null) return;
  const { runFolder } = adopted;
  const { alive } = runFiles(runFolder);
  const run = { ...process, cgroup: request.resources.cgroup, runFolder };
  const name = `exec2-witness: ${request.allocId}/${request.taskName}`;
  // One that an earlier plugin process has started goes on.
  let witnessed = existsSync(alive);
  for (;;) {
    try {
      if (!witnessed) await startWitness(run, name, services.folder.run);
      task.resources.exitWatch = watchExit(alive);
      await task.resources.exitWatch.ended;
      if (!isSameProcess(process.init)) return;
    } catch (thrown) {
      if (!isSameProcess(process.init)) return;
      const error = messageOf(thrown);
      if (!task.resources.watchFailed)
        services.log.error("the end of an adopted task cannot be watched yet", { task_id: task.id, error });
      task.resources.watchFailed = true;
      await delay(retryMs);
    }
    witnessed = false;
  }
}

/**
 * How an adopted task ended: as the kernel told its witness; where it did not, as
 * this driver did it, or as the Go driver's shim wrote it.
 * @param resources of the process that watched, where one did
 */
export function exitOfAdopted(
  { context }: TaskSnapshot,
  { killed = false }: Pick<RunResources, "killed"> = {},
): EventData<"exited"> {
  const { adopted } = context;
  if (adopted === null) throw new TypeError("a task that was not adopted");
  const forceKilled = context.forceKilled || killed;
  const told = readWitness(runFiles(adopted.runFolder).status);
  if (told !== undefined) {
    const exitCode = told.signal > 0 ? 128 + told.signal : told.exitCode;
    const end = { exitCode, signal: told.signal, endedAt: Math.round(told.endedAtMs) };
    return { ...end, ...memoryAtEnd(context, forceKilled ? undefined : end), source: "status" };
  }
  return {
    ...unwitnessed(context, adopted, forceKilled),
    signal: forceKilled ? 9 : 0,
    ...memoryAtEnd(context, undefined),
  };
}

function unwitnessed(
  { request }: TaskContext,
  { handle }: EventData<"adopted">,
  forceKilled: boolean,
): Pick<EventData<"exited">, "exitCode" | "endedAt" | "source"> {
  if (forceKilled) return { exitCode: 137, endedAt: Date.now(), source: "forceKilled" };
  const written = request && readGoDriverExit(handle, request.allocDir, request.taskName);
  if (!written) return { exitCode: -1, endedAt: Date.now(), source: "unknown" };
  return { exitCode: written.exitCode, endedAt: Math.round(written.endedAtMs), source: "taskFile" };
}
