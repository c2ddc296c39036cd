/** Tasks of this node. The event logs list them, and the host reports their usage. */
import type { Subscription } from "rxjs";
import { delegatedCgroups } from "../../driver/history/startEvents.ts";
import { usageOf as diskUsageOf } from "../../effects/disk/diskLimits.ts";
import { pageSize } from "../../effects/kernel/pageSize.ts";
import { bootId, isSameProcess } from "../../effects/processes/processIdentity.ts";
import { type RunReading, readRun } from "../../effects/stats/readings.ts";
import { usageOf } from "../../effects/stats/usage.ts";
import { readHistory } from "../../history/replay/storedHistory.ts";
import { initialSnapshot, isAlive } from "../../machines/taskMachine.ts";
import { type TaskTimes, timesAfter } from "../../machines/taskOutline.ts";
import type { Pin } from "../../store/folder/keptHistories.ts";
import { logFolders } from "../../store/folder/logFolders.ts";
import type { UsageSample } from "../../store/usage/usageSample.ts";
import type { FoundRun } from "../histories/chosenRun.ts";
import { EventLogs } from "../histories/eventLogs.ts";
import { stepReadable } from "../histories/readHistory.ts";
import { newestTasks } from "../histories/runsOfTasks.ts";
import { hasFailed } from "./taskFilter.ts";
import { type NodeTask, type Presence, rowOf, type TaskRow } from "./taskRow.ts";

/** Converts runs to rows, in the order of their requests. CPU usage is the average since a task's start. */
export function rowsOf(runs: readonly FoundRun[], pins: ReadonlyMap<string, Pin>): Promise<TaskRow[]> {
  return new HostSampler().rows(nodeTasks(runs, pins));
}

/** Of so many tasks, the newest, those that have failed are looked for. */
const maxFailed = 200;

/** The running tasks of this node. Reads the event logs again only after new events. */
export class RunningTasks {
  readonly #stateDir: string;
  readonly #sampler = new HostSampler();
  #logs: EventLogs;
  #subscription: Subscription;
  /** The tasks; undefined after new events. */
  #cached: readonly NodeTask[] | undefined;
  #failed: readonly TaskRow[] | undefined;

  private constructor(stateDir: string, logs: EventLogs) {
    this.#stateDir = stateDir;
    this.#logs = logs;
    this.#subscription = this.#follow();
  }

  /** @throws DriverError `STORE_FAILED` if there is no event log, or one cannot be read */
  static async open(stateDir: string): Promise<RunningTasks> {
    return new RunningTasks(stateDir, await EventLogs.open(stateDir));
  }

  /**
   * The tasks in the order of their requests. Measures CPU usage since the previous call.
   * @param failed whether to include those of the newest tasks that have failed
   */
  async rows(failed = false): Promise<TaskRow[]> {
    const running = await this.#sampler.rows(await this.#current());
    if (!failed) return running;
    this.#failed ??= await this.#failedRows();
    const ids = new Set(running.map(({ id }) => id));
    return [...this.#failed.filter(({ id }) => !ids.has(id)), ...running];
  }

  /** What a task has used so far, from its stored samples. Reads a file. */
  usage(id: string): readonly UsageSample[] {
    return (
      this.#logs
        .tasks()
        .find((run) => run.id === id)
        ?.reader.usage(id) ?? []
    );
  }

  async #failedRows(): Promise<readonly TaskRow[]> {
    const { tasks } = newestTasks(this.#logs.tasks(), maxFailed);
    const runs = tasks.map(({ newest }) => newest);
    return (await rowsOf(runs, this.#logs.pins())).filter(hasFailed);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#subscription.unsubscribe();
    await this.#logs.close();
  }

  /** Opens all logs again if a local run has added one. */
  async #current(): Promise<readonly NodeTask[]> {
    if (logFolders(this.#stateDir).join() !== this.#logs.folders.join()) {
      await this[Symbol.asyncDispose]();
      this.#logs = await EventLogs.open(this.#stateDir);
      this.#subscription = this.#follow();
      this.#forget();
    }
    this.#cached ??= nodeTasks(this.#logs.running(), this.#logs.pins());
    return this.#cached;
  }

  #forget(): void {
    this.#cached = undefined;
    this.#failed = undefined;
  }

  #follow(): Subscription {
    const forget = () => this.#forget();
    // After an error, the next read fails as well, and reports the error.
    return this.#logs.coming().subscribe({ next: forget, error: forget });
  }
}

/** The tasks of runs, in the order of their requests. Reads the runs' events. */
export function nodeTasks(runs: readonly FoundRun[], pins: ReadonlyMap<string, Pin>): NodeTask[] {
  const tasks = runs.map(({ id, reader }): NodeTask => {
    const lastUse = () => reader.usage(id).at(-1)?.time;
    const events = readHistory(reader, id);
    const begunAt = events[0]?.time ?? 0;
    let times: TaskTimes = { endedAt: null, changedAt: begunAt };
    let snapshot = initialSnapshot;
    for (const event of events) {
      snapshot = stepReadable(snapshot, event);
      times = timesAfter(times, snapshot.context, event.time, lastUse);
    }
    return { id, snapshot, begunAt, ...times, lastUse, pin: pins.get(id) };
  });
  return tasks.sort((a, b) => a.begunAt - b.begunAt);
}

/** Samples the host repeatedly. Measures CPU usage between two samples. */
class HostSampler {
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
    const delegated = delegatedCgroups(snapshot.context);
    const place = { cgroup, init: process.init, runCgroup: sandbox?.runCgroup ?? null, delegated };
    const now = await readRun(place, before);
    this.#lastReadings.set(id, now);
    const units = { mhzPerCore: host?.mhzPerCore ?? 0, pageSize: pageSize() };
    return {
      alive: true,
      usage: now.cpu === undefined ? undefined : usageOf(before, now, units),
      disk: sandbox?.disk && diskUsageOf(request.allocDir, sandbox.disk)?.own,
    };
  }
}

const absent: Presence = { alive: false, usage: undefined };
const unreadable: Presence = { alive: true, usage: undefined };
