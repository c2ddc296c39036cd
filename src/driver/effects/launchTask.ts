/** Carries out `launch`: runs the launch plan and reports the processes that came of it. */
import { launch } from "../../effects/launch/launcher.ts";
import { processIdentity } from "../../effects/processIdentity.ts";
import { killInit } from "../../effects/signals.ts";
import type { DriverServices } from "../services.ts";
import type { Task } from "../task.ts";

export async function launchTask(task: Task, { facts }: DriverServices): Promise<void> {
  const { prepared } = task.resources;
  if (prepared === undefined) return;
  const { initPid, taskPid } = await launch(prepared.plan, prepared);
  prepared.descriptors.dispose();
  delete task.resources.prepared;
  const init = processIdentity(initPid);
  try {
    await task.record("started", { init, task: processIdentity(taskPid), bootId: facts.bootId });
  } catch (storeFailure) {
    // Unrecorded, the task would be lost at the next restart of the plugin.
    killInit(init);
    throw storeFailure;
  }
}
