/** Carries out `releaseRun`: nothing of a run stays open, scheduled or on disk once it is over. */
import { rmSync } from "node:fs";
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
  // A few small files: on libuv's threads each step of it would cost more than all of them do here.
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
}
