/** Watches a run: its end, and the OOM kills that the task survives. */

import { existsSync } from "node:fs";
import type { Subscription } from "rxjs";
import { startWitness } from "../../effects/adoption/witness.ts";
import { watchOutOfMemory } from "../../effects/cgroup/cgroup.ts";
import { endCgroup, waitForRunExit } from "../../effects/cgroup/cgroupEnd.ts";
import { isGoingOn, isSameProcess, type ProcessIdentity } from "../../effects/processes/processIdentity.ts";
import { runFiles, watchExit } from "../../effects/run/runFiles.ts";
import type { TaskContext } from "../../machines/taskContext.ts";
import { GrowingPauses } from "../history/growingPauses.ts";
import type { RecordedTask } from "../history/recordedTask.ts";
import { type Retry, retrying } from "../retry.ts";
import type { RunGround, RunPart } from "../runPart.ts";
import type { DriverServices } from "../services.ts";
import { oomOf, removeDelegated } from "./runEnd.ts";

type WatchServices = Pick<DriverServices, "folder" | "log">;

/**
 * Resolves once all processes of the run have ended and its cgroup can be removed, or some time after the end
 * of init if other processes stay. The agent removes the cgroup as soon as it learns of the end. Never
 * resolves if the watch is cancelled before init has ended.
 * @param watching cancels the watch when it is unsubscribed
 */
export async function runEnded(
  task: RecordedTask,
  services: WatchServices,
  watching: Subscription,
): Promise<void> {
  const { request, sandbox, process, adopted } = task.snapshot.context;
  if (request === null || process === null) return;
  // Without another attempt, the end of the task would never be recorded.
  const retry = retrying(() => services.log, task.id, "the end of a task cannot be watched yet");
  const { cgroup } = request.resources;
  const { init } = process;
  if (adopted !== null) {
    const run = { ...process, cgroup, runFolder: adopted.runFolder };
    const name = `exec2-witness: ${request.allocId}/${request.taskName}`;
    await witnessedEnd(() => startWitness(run, name, services.folder.run), run, watching, retry);
  } else if (sandbox !== null) {
    const { alive } = runFiles(sandbox.runFolder);
    await retry(
      () => fifoEnd(alive, watching, init),
      () => !isSameProcess(init),
    );
    const { runCgroup } = sandbox;
    // Init ends the run's other processes before it exits, unless init was killed. A command of `alloc exec`
    // may still be ending.
    if (runCgroup !== null) await retry(() => endCgroup(runCgroup));
  }
  await retry(() => waitForRunExit(cgroup, init));
  await retry(() => removeDelegated(task.snapshot.context));
}

/**
 * Waits until the witness of an adopted run reports the run's end. Starts another witness if the witness is
 * killed.
 */
async function witnessedEnd(
  start: () => Promise<void>,
  { init, runFolder }: { readonly init: ProcessIdentity; readonly runFolder: string },
  watching: Subscription,
  retry: Retry,
): Promise<void> {
  const { alive } = runFiles(runFolder);
  // A witness of an earlier plugin process may still be running.
  let witnessed = existsSync(alive);
  while (await retry(() => isSameProcess(init))) {
    await retry(
      async () => {
        if (!witnessed) await start();
        witnessed = false;
        await fifoEnd(alive, watching);
      },
      () => !isSameProcess(init),
    );
  }
}

function fifoEnd(alive: string, watching: Subscription, init?: ProcessIdentity): Promise<void> {
  const watch = watchExit(alive, init);
  watching.add(watch.cancel);
  return watch.ended;
}

export class MemoryWatch implements RunPart {
  readonly #task: RecordedTask;
  readonly #watching: Subscription;
  readonly #pauses = new GrowingPauses(() => void this.#record());
  #cancel = () => {};
  #seen: TaskContext["oom"] = null;

  constructor({ task, watching }: Pick<RunGround<unknown>, "task" | "watching">) {
    this.#task = task;
    this.#watching = watching;
  }

  begin(): void {
    const { request } = this.#task.snapshot.context;
    if (request === null) return;
    this.#cancel = watchOutOfMemory(request.resources.cgroup, () => this.look());
    this.#watching.add(() => this.ended());
  }

  /** A kill that is noticed from now on may be the end itself. Nobody has survived it. */
  ended(): void {
    this.#cancel();
    this.#pauses.stop();
  }

  /**
   * Looks for new OOM kills. The first one is recorded at once. A task can cause them at any rate, so later
   * kills are recorded together, with growing pauses between the records. A kill that ends the task is the end's to
   * tell, however long the kernel takes to end it.
   */
  look(): void {
    const found = this.#found();
    if (found === null || found.kills <= (this.seen?.kills ?? 0)) return;
    if (!this.#taskGoesOn()) return;
    this.#seen = { ...found, at: Date.now() };
    this.#pauses.ask();
  }

  #found(): ReturnType<typeof oomOf> {
    try {
      return oomOf(this.#task.snapshot.context);
    } catch {
      // The next look, or the end of the run, counts them all.
      return null;
    }
  }

  #taskGoesOn(): boolean {
    const { process } = this.#task.snapshot.context;
    try {
      return process === null || isGoingOn(process.task);
    } catch {
      return true;
    }
  }

  /** The last OOM kill that the task survived, recorded or not. */
  get seen(): TaskContext["oom"] {
    return this.#seen ?? this.#task.snapshot.context.oom;
  }

  async #record(): Promise<void> {
    const { seen } = this;
    if (seen === null) return;
    const { kills, limitBytes, peakBytes } = seen;
    await this.#task.record("oomSeen", { kills, limitBytes, peakBytes });
  }
}
