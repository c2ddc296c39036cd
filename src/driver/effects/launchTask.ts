/** Carries out `launch`: runs the launch plan and reports the processes that came of it. */
import { launch } from "../../effects/launch/launcher.ts";
import { killInit } from "../../effects/signals.ts";
import type { DriverServices } from "../services.ts";
import type { Task } from "../task.ts";

export async function launchTask(task: Task, { facts, folder }: DriverServices): Promise<void> {
  const { prepared } = task.resources;
  if (prepared === undefined) return;
  const launched = await launch(prepared.plan, prepared, folder.run);
  prepared.descriptors.dispose();
  delete task.resources.prepared;
  delete task.resources.request;
  try {
    await task.record("started", { ...launched, bootId: facts.bootId });
  } catch (storeFailure) {
    // Unrecorded, the task would be lost at the next restart of the plugin.
    killInit(launched.init);
    throw storeFailure;
  }
}
