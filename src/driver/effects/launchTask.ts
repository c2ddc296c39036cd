/** Carries out `launch`: lets the held launch go on and reports the processes that came of it. */
import { runLeft } from "../../effects/cgroupEnd.ts";
import { killInit } from "../../effects/signals.ts";
import type { DriverServices } from "../services.ts";
import type { Task } from "../task.ts";

export async function launchTask(task: Task, { facts }: DriverServices): Promise<void> {
  const { held, request } = task.resources;
  if (held === undefined || request === undefined) return;
  delete task.resources.held;
  const launched = await held.release();
  delete task.resources.request;
  try {
    await task.record("started", { ...launched, bootId: facts.bootId });
  } catch (storeFailure) {
    // Unrecorded, the task would be lost at the next restart of the plugin.
    killInit(launched.init);
    await runLeft(request.resources.cgroup, launched.init);
    throw storeFailure;
  }
}
