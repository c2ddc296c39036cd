/** The tasks of this process. Takes over tasks of an earlier process. */
import { messageOf } from "../../errors.ts";
import { hasEnded, hasStarted } from "../../machines/fold.ts";
import { isAlive } from "../../machines/taskMachine.ts";
import { type TaskId, taskOfRun } from "../../taskId.ts";
import type { TaskHistory } from "../history/taskHistory.ts";
import { settledHistory, takeOver } from "../recovery/recovery.ts";
import type { DriverServices } from "../services.ts";
import { notFound } from "../taskErrors.ts";
import type { Task } from "./task.ts";

/** Milliseconds that the kernel gets to end a killed task before the agent gets an error. */
export const killGraceMs = 30_000;

type ReadHistory = () => TaskHistory | Promise<TaskHistory>;

export class TaskTable {
  readonly #tasks = new Map<TaskId, Task>();
  /** Tasks that are being taken over. */
  readonly #recoveries = new Map<string, Promise<Task>>();
  readonly #create: (taskId: TaskId, history: TaskHistory | undefined) => Task;

  constructor(create: (taskId: TaskId, history: TaskHistory | undefined) => Task) {
    this.#create = create;
  }

  get(taskId: TaskId): Task | undefined {
    return this.#tasks.get(taskId);
  }

  /** Whether this process has the task, or is taking it over. */
  knows(taskId: TaskId): boolean {
    return this.#tasks.has(taskId) || this.#recoveries.has(taskId);
  }

  get all(): readonly Task[] {
    return [...this.#tasks.values()];
  }

  /** @throws DriverError `TASK_NOT_FOUND` */
  find(taskId: TaskId, services: DriverServices | undefined): Task {
    const task = this.#tasks.get(taskId);
    if (task === undefined) throw notFound();
    services?.unclaimed.delete(taskId);
    return task;
  }

  /** @param history of a task that is in the log already */
  add(taskId: TaskId, history?: TaskHistory): Task {
    const task = this.#create(taskId, history);
    this.#tasks.set(taskId, task);
    return task;
  }

  /** To be called when a new agent has connected. Marks all running tasks as unclaimed. */
  unclaim({ unclaimed }: DriverServices): void {
    for (const { id, state } of this.#tasks.values()) if (isAlive(state)) unclaimed.set(id, undefined);
  }

  forget(taskId: TaskId): void {
    this.#tasks.delete(taskId);
  }

  /**
   * Takes over a task once, even if there are several callers.
   * @param read reads its history; called only if needed
   * @throws DriverError as `takeOver` does; the task stays unknown then
   */
  async recover(taskId: TaskId, services: DriverServices, read: ReadHistory): Promise<Task> {
    const known = this.#recoveries.get(taskId) ?? this.#tasks.get(taskId);
    if (known !== undefined) {
      services.unclaimed.delete(taskId);
      return known;
    }
    const recovery = this.#recover(taskId, services, read).finally(() => this.#recoveries.delete(taskId));
    this.#recoveries.set(taskId, recovery);
    return recovery;
  }

  /** Returns a task of this process. Takes over a task that an earlier process left running. */
  async claim(taskId: TaskId, services: DriverServices | undefined): Promise<Task | undefined> {
    if (!services?.unclaimed.has(taskId)) return this.#recoveries.get(taskId) ?? this.#tasks.get(taskId);
    return this.recover(
      taskId,
      services,
      async () => (await settledHistory(taskId, services)) ?? throwNotFound(),
    );
  }

  /**
   * Ends earlier, unclaimed runs of the same task of an allocation. An agent that starts a new run does not
   * know of the earlier ones: it died before it learned that they had started.
   */
  async endForgotten(taskId: TaskId, services: DriverServices): Promise<void> {
    const { unclaimed, log } = services;
    unclaimed.delete(taskId);
    for (const earlier of unclaimed.keys()) {
      if (taskOfRun(earlier) !== taskOfRun(taskId)) continue;
      try {
        const task = await this.claim(earlier, services);
        if (task !== undefined) await end(task);
        await task?.record("destroyed", {});
        this.forget(earlier);
        log.warn("ended a run that the agent has forgotten", { task_id: earlier });
      } catch (thrown) {
        log.error("a run that the agent has forgotten cannot be ended", {
          task_id: earlier,
          error: messageOf(thrown),
        });
      }
    }
  }

  async #recover(taskId: TaskId, services: DriverServices, read: ReadHistory): Promise<Task> {
    const task = this.add(taskId, await read());
    try {
      await takeOver(task, task.run.commands, services);
    } catch (thrown) {
      this.forget(taskId);
      throw thrown;
    }
    services.unclaimed.delete(taskId);
    return task;
  }
}

/**
 * Ends a task by force.
 * @throws DriverError `TASK_STILL_RUNNING` if the kernel does not end it in time
 */
export async function end(task: Task): Promise<void> {
  await task.reached(hasStarted);
  await task.record("destroyRequested", { force: true });
  await task.reached(hasEnded, { withinMs: killGraceMs });
}

function throwNotFound(): never {
  throw notFound();
}
