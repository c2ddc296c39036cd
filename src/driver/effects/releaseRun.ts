/** Carries out `releaseRun`: nothing of a run stays open, scheduled or on disk once it is over. */
import { rm } from "node:fs/promises";
import type { DriverServices } from "../services.ts";
import type { Task } from "../task.ts";

export async function releaseRun(task: Task, { unsaved }: DriverServices): Promise<void> {
  const { resources, snapshot } = task;
  clearTimeout(resources.killTimer);
  resources.exitWatch?.cancel();
  resources.oomWatch?.();
  await resources.held?.abandon();
  delete resources.killTimer;
  delete resources.exitWatch;
  delete resources.oomWatch;
  delete resources.held;
  delete resources.request;
  const { sandbox, adopted } = snapshot.context;
  const folder = (sandbox ?? adopted)?.runFolder;
  // Until the event log knows how the task ended, init's record of it is all there is.
  await unsaved.whenStored(task);
  if (folder !== undefined) await rm(folder, { recursive: true, force: true });
}
