/** Carries out `launch`: lets the held launch go on and reports the processes that came of it. */
import type { DriverServices } from "../services.ts";
import type { Task } from "../task.ts";

export async function launchTask(task: Task, { facts }: DriverServices): Promise<void> {
  const { held } = task.resources;
  if (held === undefined) return;
  delete task.resources.held;
  const launched = await held.release();
  delete task.resources.request;
  await task.record("started", { ...launched, bootId: facts.bootId });
}
