/** The tasks that this process knows, and how it comes to know those of an earlier one. */
import { messageOf } from "../../errors.ts";
import { hasEnded, hasStarted } from "../../machines/fold.ts";
import { isAlive } from "../../machines/taskMachine.ts";
import { taskOfRun } from "../../taskId.ts";
import type { DriverServices } from "../opening/services.ts";
import { settledHistory, takeOver } from "../recovery/recovery.ts";
import type { Task, TaskHistory } from "./task.ts";
import { notFound } from "./taskErrors.ts";

/** How long the kernel may take to end a killed task before the agent is told that it has not. */
export const killGraceMs = 30_000;

type ReadHistory = () => TaskHistory | Promise<TaskHistory>;

export class TaskTable {
  readonly #tasks = new Map<string, Task>();
  /** Tasks that are being taken over. */
  readonly #recoveries = new Map<string, Promise<Task>>();
  readonly #create: (taskId: string, history: TaskHistory | undefined) => Task;

  constructor(create: (taskId: string, history: TaskHistory | undefined) => Task) {
    this.#create = create;
  }

  get(taskId: string): Task | undefined {
    return this.#tasks.get(taskId);
  }

  /** Whether this process has to do with a task, or is about to. */
  knows(taskId: string): boolean {
    return this.#tasks.has(taskId) || this.#recoveries.has(taskId);
  }

  get all(): readonly Task[] {
    return [...this.#tasks.values()];
  }

  /** @throws DriverError `TASK_NOT_FOUND` */
  find(taskId: string, services: DriverServices | undefined): Task {
    const task = this.#tasks.get(taskId);
    if (task === undefined) throw notFound();
    services?.unclaimed.delete(taskId);
    return task;
  }

  /** @param history of a task that the log knows already */
  add(taskId: string, history?: TaskHistory): Task {
    const task = this.#create(taskId, history);
    this.#tasks.set(taskId, task);
    return task;
  }

  /** A new agent has come: it has yet to ask for each task that it knows of. */
  unclaim({ unclaimed }: DriverServices): void {
    for (const { id, state } of this.#tasks.values()) if (isAlive(state)) unclaimed.add(id);
  }

  forget(taskId: string): void {
    this.#tasks.delete(taskId);
  }

  /**
   * Takes a task over, whoever asks and how often.
   * @param read tells its history; called where it is needed
   * @throws DriverError as `takeOver` does; the task is as unknown as before, then
   */
  async recover(taskId: string, services: DriverServices, read: ReadHistory): Promise<Task> {
    const known = this.#recoveries.get(taskId) ?? this.#tasks.get(taskId);
    if (known !== undefined) {
      services.unclaimed.delete(taskId);
      return known;
    }
    const recovery = this.#recover(taskId, services, read).finally(() => this.#recoveries.delete(taskId));
    this.#recoveries.set(taskId, recovery);
    return recovery;
  }

  /** A task that this process knows, or that an earlier one has left running. */
  async claim(taskId: string, services: DriverServices | undefined): Promise<Task | undefined> {
    if (!services?.unclaimed.has(taskId)) return this.#recoveries.get(taskId) ?? this.#tasks.get(taskId);
    return this.recover(taskId, services, async () => (await settledHistory(taskId, services)) ?? unknown());
  }

  /**
   * Ends earlier runs of the same task of an allocation that the agent has never
   * asked for: it died before the answer to their start reached it, for it starts
   * a new run only where it knows of no other.
   */
  async endForgotten(taskId: string, services: DriverServices): Promise<void> {
    const { unclaimed, log } = services;
    unclaimed.delete(taskId);
    for (const earlier of unclaimed) {
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

  async #recover(taskId: string, services: DriverServices, read: ReadHistory): Promise<Task> {
    const task = this.add(taskId, await read());
    try {
      await takeOver(task, services);
    } catch (thrown) {
      this.forget(taskId);
      throw thrown;
    }
    services.unclaimed.delete(taskId);
    return task;
  }
}

/**
 * Ends a task by force, whatever it does.
 * @throws DriverError `TASK_STILL_RUNNING` where the kernel does not get it done
 */
export async function end(task: Task): Promise<void> {
  await task.reached(hasStarted);
  await task.record("destroyRequested", { force: true });
  await task.reached(hasEnded, { withinMs: killGraceMs });
}

function unknown(): never {
  throw notFound();
}
