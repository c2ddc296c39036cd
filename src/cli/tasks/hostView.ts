/** Tasks of this node, with usage as the host reports it. */
import { bootId, isSameProcess } from "../../effects/processes/processIdentity.ts";
import { pageSize, type RunReading, readRun } from "../../effects/stats/runReading.ts";
import { usageOf } from "../../effects/stats/usage.ts";
import { isAlive } from "../../machines/taskMachine.ts";
import { type NodeTask, type Presence, rowOf, type TaskRow } from "./taskRow.ts";

/** Samples the host repeatedly. CPU usage is that between two samples. */
export class HostView {
  #lastReadings = new Map<string, RunReading>();

  /** The tasks as they are now. Data that the host does not report are unknown, which is not an error. */
  async rows(tasks: readonly NodeTask[]): Promise<TaskRow[]> {
    const before = this.#lastReadings;
    this.#lastReadings = new Map();
    return Promise.all(
      tasks.map(async (task) => {
        const presence = await this.#sample(task, before.get(task.id)).catch(() => unreadable);
        return rowOf(task, presence, Date.now());
      }),
    );
  }

  async #sample({ id, snapshot }: NodeTask, before: RunReading | undefined): Promise<Presence> {
    const { request, process, host, sandbox } = snapshot.context;
    if (!isAlive(snapshot.value) || request === null || process === null) return absent;
    if (process.bootId !== bootId() || !isSameProcess(process.init)) return absent;
    const { cgroup } = request.resources;
    const place = { cgroup, init: process.init, runCgroup: sandbox?.runCgroup ?? null };
    const now = await readRun(place, before);
    this.#lastReadings.set(id, now);
    const units = { mhzPerCore: host?.mhzPerCore ?? 0, pageSize: pageSize() };
    return { alive: true, usage: now.cpu === undefined ? undefined : usageOf(before, now, units) };
  }
}

const absent: Presence = { alive: false, usage: undefined };
const unreadable: Presence = { alive: true, usage: undefined };
