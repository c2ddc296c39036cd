/** Carries out `inspectHost`: reports what the host offers, as last probed. */
import { fingerprintedEvent } from "../fingerprintedEvent.ts";
import type { DriverServices } from "../services.ts";
import type { Task } from "../task.ts";

export async function inspectHost(task: Task, { facts }: DriverServices): Promise<void> {
  await task.record("fingerprinted", fingerprintedEvent(facts));
}
