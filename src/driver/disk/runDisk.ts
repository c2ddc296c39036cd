/** What a run's limited folders use, and the events that tell of it. */

import { fillOf, limitedFolders } from "../../effects/disk/diskFill.ts";
import type { DiskUsage } from "../../effects/disk/diskLimits.ts";
import type { RecordedTask } from "../history/recordedTask.ts";
import type { RunGround, RunPart } from "../runPart.ts";
import type { NodeDisk } from "./nodeDisk.ts";

type Ground = Pick<RunGround<{ readonly disk: NodeDisk }>, "task" | "services">;

export class RunDisk implements RunPart {
  readonly #task: RecordedTask;
  readonly #services: Ground["services"];
  /** The percentages that this process has recorded; they may not be committed yet. */
  readonly #recorded = { own: 0, shared: 0 };

  constructor({ task, services }: Ground) {
    this.#task = task;
    this.#services = services;
  }

  get isLimited(): boolean {
    return this.#task.snapshot.context.sandbox?.disk !== undefined;
  }

  /** Undefined without a limit, or if the usage cannot be read. */
  async usage(): Promise<DiskUsage | undefined> {
    const { request, sandbox } = this.#task.snapshot.context;
    if (request === null || sandbox?.disk === undefined) return undefined;
    return await this.#services().disk.usage(request.allocDir, sandbox.disk);
  }

  /** Reads the usage, and records what of the limits has become full. */
  async look(): Promise<DiskUsage | undefined> {
    const usage = await this.usage();
    if (usage === undefined) return undefined;
    for (const folders of limitedFolders) {
      const fill = fillOf(usage[folders]);
      const told = Math.max(this.#recorded[folders], this.#task.snapshot.context.disk[folders]);
      if (fill === undefined || fill.percent <= told) continue;
      this.#recorded[folders] = fill.percent;
      await this.#task.record("diskFilled", { folders, ...fill });
    }
    return usage;
  }

  async giveBack(): Promise<void> {
    const { request, sandbox } = this.#task.snapshot.context;
    if (request === null || sandbox?.disk === undefined) return;
    await this.#services().disk.release({ ...request, taskId: this.#task.id }, sandbox.disk);
  }
}
