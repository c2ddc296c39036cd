/** Watching a run: for its end, and for a lack of memory that it comes through. */
import { existsSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { startWitness } from "../../effects/adoption/witness.ts";
import { endCgroup, waitForRunExit } from "../../effects/cgroup/cgroupEnd.ts";
import { watchOutOfMemory } from "../../effects/cgroup/outOfMemory.ts";
import { runFiles } from "../../effects/files/runFiles.ts";
import { watchExit } from "../../effects/processes/exitWatch.ts";
import { isSameProcess, type ProcessIdentity } from "../../effects/processes/processIdentity.ts";
import { messageOf } from "../../errors.ts";
import type { DriverServices } from "../opening/services.ts";
import { oomOf } from "./exit.ts";
import type { RunTask } from "./runTask.ts";

/** Until the next attempt at what the kernel refuses. */
const retryMs = 1_000;

type WatchServices = Pick<DriverServices, "folder" | "log">;

/**
 * Resolves once everything of the run has ended and its cgroup can be removed: who is told
 * of the end does that at once. Stays pending for good where it is given up before.
 * @param over gives the watch up
 */
export async function runEnded(task: RunTask, services: WatchServices, over: AbortSignal): Promise<void> {
  const { request, sandbox, process, adopted } = task.snapshot.context;
  if (request === null || process === null) return;
  const again = retries(task, services);
  const { cgroup } = request.resources;
  const { init } = process;
  if (adopted !== null) {
    const run = { ...process, cgroup, runFolder: adopted.runFolder };
    const name = `exec2-witness: ${request.allocId}/${request.taskName}`;
    await witnessedEnd(() => startWitness(run, name, services.folder.run), run, over, again);
  } else if (sandbox !== null) {
    const { alive } = runFiles(sandbox.runFolder);
    await again(() => fifoEnd(alive, over, init), init);
    const { runCgroup } = sandbox;
    // Init has ended the rest of its run, unless it was killed; a command of `alloc exec` may be ending still.
    if (runCgroup !== null) await again(() => endCgroup(runCgroup));
  }
  await waitForRunExit(cgroup, init);
}

/** By its witness, which is replaced where somebody has killed it. */
async function witnessedEnd(
  start: () => Promise<void>,
  { init, runFolder }: { readonly init: ProcessIdentity; readonly runFolder: string },
  over: AbortSignal,
  again: Again,
): Promise<void> {
  const { alive } = runFiles(runFolder);
  // One that an earlier plugin process has started goes on.
  let witnessed = existsSync(alive);
  while (isSameProcess(init)) {
    await again(async () => {
      if (!witnessed) await start();
      witnessed = false;
      await fifoEnd(alive, over);
    }, init);
  }
}

function fifoEnd(alive: string, over: AbortSignal, init?: ProcessIdentity): Promise<void> {
  const watch = watchExit(alive, init);
  over.addEventListener("abort", () => watch.cancel());
  return watch.ended;
}

/** Tries until it succeeds, or until the process is gone. */
type Again = (attempt: () => Promise<unknown>, until?: ProcessIdentity) => Promise<void>;

/** A task that nobody watches would never be over: out of descriptors, say, it is tried again. Told once a run. */
function retries({ id }: RunTask, { log }: WatchServices): Again {
  let told = false;
  return async (attempt, until) => {
    for (;;) {
      try {
        await attempt();
        return;
      } catch (thrown) {
        if (until && !isSameProcess(until)) return;
        if (!told)
          log.error("the end of a task cannot be watched yet", { task_id: id, error: messageOf(thrown) });
        told = true;
        await delay(retryMs);
      }
    }
  };
}

/**
 * Records a lack of memory that the task comes through.
 * @param over ends the watching
 */
export function watchMemory(task: RunTask, over: AbortSignal): void {
  const { request } = task.snapshot.context;
  if (request === null) return;
  const cancel = watchOutOfMemory(request.resources.cgroup, () => void recordMemory(task));
  over.addEventListener("abort", cancel);
}

async function recordMemory(task: RunTask): Promise<void> {
  const { context } = task.snapshot;
  const found = oomOf(context);
  if (found !== null && found.kills > (context.oom?.kills ?? 0)) await task.record("oomSeen", found);
}
