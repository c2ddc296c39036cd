/** Tasks of this node as the host itself shows them. */
import { bootId, isSameProcess } from "../../effects/processes/processIdentity.ts";
import { pageSize } from "../../effects/stats/pageSize.ts";
import { type RunReading, readRun } from "../../effects/stats/runReading.ts";
import { usageOf } from "../../effects/stats/usage.ts";
import { stateName } from "../../machines/fold.ts";
import { isAlive } from "../../machines/taskMachine.ts";
import { type NodeTask, type Presence, rowOf, type TaskRow } from "./taskRow.ts";

/** Looks at the host, time and again; CPU is counted from one look to the next. */
export class HostView {
  #last = new Map<string, RunReading>();

  /** The tasks as they are now. What the host does not tell of one is unknown, and no failure. */
  async rows(tasks: readonly NodeTask[]): Promise<TaskRow[]> {
    const before = this.#last;
    this.#last = new Map();
    return Promise.all(
      tasks.map(async (task) => {
        const presence = await this.#look(task, before.get(task.id)).catch(() => unseen);
        return rowOf(task, presence, Date.now());
      }),
    );
  }

  async #look({ id, snapshot }: NodeTask, before: RunReading | undefined): Promise<Presence> {
    const { request, process, host, sandbox } = snapshot.context;
    if (!isAlive(stateName(snapshot)) || request === null || process === null) return absent;
    if (process.bootId !== bootId() || !isSameProcess(process.init)) return absent;
    const { cgroup } = request.resources;
    const place = { cgroup, init: process.init, runCgroup: sandbox?.runCgroup ?? null };
    const now = await readRun(place, before);
    this.#last.set(id, now);
    const units = { mhzPerCore: host?.mhzPerCore ?? 0, pageSize: pageSize() };
    return { alive: true, usage: now.cpu === undefined ? undefined : usageOf(before, now, units) };
  }
}

const absent: Presence = { alive: false, usage: undefined };
const unseen: Presence = { alive: true, usage: undefined };
