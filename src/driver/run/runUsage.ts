/** Has the usage of a run sampled. */
import type { RunDisk } from "../disk/runDisk.ts";
import type { RunGround, RunPart } from "../runPart.ts";
import type { DriverServices } from "../services.ts";

type Ground = RunGround<Pick<DriverServices, "usage">>;

export class RunUsage implements RunPart {
  readonly #ground: Ground;
  readonly #disk: RunDisk;

  constructor(ground: Ground, disk: RunDisk) {
    this.#ground = ground;
    this.#disk = disk;
  }

  begin(): void {
    const { task, services } = this.#ground;
    const { request, startedAt } = task.snapshot.context;
    if (request === null) return;
    services().usage.watch(task.id, {
      cgroup: request.resources.cgroup,
      begunAt: startedAt ?? Date.now(),
      ...(this.#disk.isLimited && { readDisk: () => this.#disk.look() }),
    });
  }

  /** Nobody waits for the last sample: the agent removes the cgroup only after it has learned of the end. */
  ended(): void {
    void this.#ground.services().usage.finish(this.#ground.task.id);
  }
}
