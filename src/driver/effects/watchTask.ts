/** Carries out `watchExit`: waits for the end of the run's init and tells how the task ended. */
import { setTimeout as delay } from "node:timers/promises";
import { endCgroup, runLeft } from "../../effects/cgroupEnd.ts";
import { watchExit } from "../../effects/exitWatch.ts";
import { isSameProcess, type ProcessIdentity } from "../../effects/processIdentity.ts";
import { runFiles } from "../../effects/runFiles.ts";
import { readExitStatus } from "../../effects/statusFile.ts";
import { messageOf } from "../../errors.ts";
import type { EventData } from "../../machines/events.ts";
import type { TaskSnapshot } from "../../machines/fold.ts";
import type { RunResources } from "../runResources.ts";
import type { DriverServices } from "../services.ts";
import type { Task } from "../task.ts";
import { adoptedEnd, exitOfAdopted } from "./watchAdopted.ts";
import { memoryAtEnd, watchMemory } from "./watchMemory.ts";

/** Until the next attempt at a watch that the kernel refuses. */
const retryMs = 1_000;

export async function watchTask(task: Task, services: DriverServices): Promise<void> {
  const { request, sandbox, process, adopted } = task.snapshot.context;
  if (request === null || process === null) return;
  watchMemory(task);
  if (adopted !== null) await adoptedEnd(task, services);
  else if (sandbox !== null) {
    await initEnd(task, runFiles(sandbox.runFolder).alive, process.init, services);
    if (sandbox.runCgroup !== null) await restEnd(task, sandbox.runCgroup, services);
  }
  // Who is told of the end removes the cgroup at once.
  await runLeft(request.resources.cgroup, process.init);
  await task.record("exited", exitOf(task.snapshot, task.resources));
}

async function initEnd(
  task: Task,
  aliveFifo: string,
  init: ProcessIdentity,
  { log }: DriverServices,
): Promise<void> {
  for (;;) {
    try {
      task.resources.exitWatch = watchExit(aliveFifo, init);
      return await task.resources.exitWatch.ended;
    } catch (thrown) {
      if (!isSameProcess(init)) return;
      // Out of descriptors, say. A task that nobody watches would never be over.
      await retryLater(task, thrown, log);
    }
  }
}

/** Init has ended the rest of its run, unless it was killed; a command of `alloc exec` may be ending still. */
async function restEnd(task: Task, runCgroup: string, { log }: DriverServices): Promise<void> {
  for (;;) {
    try {
      await endCgroup(runCgroup);
      return;
    } catch (thrown) {
      await retryLater(task, thrown, log);
    }
  }
}

async function retryLater(task: Task, thrown: unknown, log: DriverServices["log"]): Promise<void> {
  const { resources } = task;
  if (!resources.watchFailed)
    log.error("the end of a task cannot be watched yet", { task_id: task.id, error: messageOf(thrown) });
  resources.watchFailed = true;
  await delay(retryMs);
}

/**
 * How a task ended whose init is gone: as init recorded it, or by what else is known.
 * @param resources of the process that watched, where one did
 */
export function exitOf(
  snapshot: TaskSnapshot,
  resources: Pick<RunResources, "killed"> = {},
): EventData<"exited"> {
  const { context } = snapshot;
  if (context.adopted !== null) return exitOfAdopted(snapshot, resources);
  const { killed = false } = resources;
  const { sandbox } = context;
  if (sandbox === null) throw new TypeError("a task that never started cannot have ended");
  const forceKilled = context.forceKilled || killed;
  const status = readExitStatus(runFiles(sandbox.runFolder).status);
  if (status === undefined) {
    const end = forceKilled
      ? ({ exitCode: 137, signal: 9, source: "forceKilled" } as const)
      : ({ exitCode: -1, signal: 0, source: "unknown" } as const);
    return { ...end, ...memoryAtEnd(context, undefined), endedAt: Date.now() };
  }
  const exitCode = status.signal > 0 ? 128 + status.signal : status.exitCode;
  const end = { exitCode, signal: status.signal, endedAt: Math.round(status.endedAtMs) };
  return { ...end, ...memoryAtEnd(context, forceKilled ? undefined : end), source: "status" };
}
