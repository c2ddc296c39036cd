/** Carries out `inspectHost`: reports what the host offers, as last probed. */
import type { DriverServices } from "../services.ts";
import type { Task } from "../task.ts";

export async function inspectHost(task: Task, { facts }: DriverServices): Promise<void> {
  await task.record("fingerprinted", {
    kernel: facts.kernel,
    arch: facts.arch,
    bootId: facts.bootId,
    landlockAbi: facts.landlockAbi,
    cgroupControllers: [...facts.cgroupControllers],
    mhzPerCore: facts.mhzPerCore,
  });
}
