/** The tasks of this process. Starts tasks, and takes over the tasks of an earlier process. */

import { setTimeout as delay } from "node:timers/promises";
import { DriverError, isShortage, messageOf } from "../../base/errors.ts";
import { Secrets } from "../../base/masking.ts";
import { type TaskId, taskOfRun } from "../../base/taskId.ts";
import { envDigest, keyedDigest } from "../../effects/command/envDigest.ts";
import { environmentFor } from "../../effects/launch/sandbox.ts";
import type { TaskRequest } from "../../effects/launch/taskRequest.ts";
import type { EventData } from "../../machines/events.ts";
import { isAlive, startIsOver } from "../../machines/taskMachine.ts";
import type { StartedTask } from "../driverPort.ts";
import { maskedEvent } from "../history/maskedEvent.ts";
import { requestedEvent } from "../history/startEvents.ts";
import type { TaskHistory } from "../history/taskHistory.ts";
import { goesOn, repeatedStart, settledHistory, takeOver } from "../recovery/recovery.ts";
import { encodeHandle, handleOf } from "../recovery/taskHandle.ts";
import type { DriverServices } from "../services.ts";
import { withUser } from "../start/taskUser.ts";
import { UserClaims } from "../start/userClaims.ts";
import { existsAlready, notFound } from "../taskErrors.ts";
import type { Task } from "./task.ts";

type CreateTask = (taskId: TaskId, history: TaskHistory | undefined) => Task;
type ReadHistory = () => TaskHistory | Promise<TaskHistory>;

export class TaskTable {
  readonly #tasks = new Map<TaskId, Task>();
  /** Tasks that are being taken over. */
  readonly #recoveries = new Map<TaskId, Promise<Task>>();
  /** Tasks whose earlier start is being looked for. */
  readonly #repeated = new Set<TaskId>();
  /** Starts that have no answer yet. The promises resolve once they have one. */
  readonly #starts = new Map<TaskId, Promise<void>>();
  readonly #users = new UserClaims(goesOn);
  readonly #create: CreateTask;

  /** @param create gets the history of a task that is in the log already */
  constructor(create: CreateTask) {
    this.#create = create;
  }

  /** Whether this process has the task, or is taking it over. */
  knows(taskId: TaskId): boolean {
    return this.#tasks.has(taskId) || this.#recoveries.has(taskId) || this.#repeated.has(taskId);
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

  /**
   * To be called when a new agent has connected. Marks all running tasks as unclaimed: this agent has not
   * requested them yet.
   */
  markUnclaimed({ unclaimed }: DriverServices): void {
    for (const { id, state } of this.#tasks.values()) if (isAlive(state)) unclaimed.set(id, undefined);
  }

  forget(taskId: TaskId): void {
    this.#tasks.delete(taskId);
  }

  /**
   * Starts a task, or continues a start that an earlier plugin process did not answer. Resolves once the task
   * runs.
   * @param signal aborted once the agent no longer waits for the answer; the task is ended then
   * @throws DriverError `TASK_EXISTS`, or the error with which the start failed
   */
  async start(received: TaskRequest, signal: AbortSignal, services: DriverServices): Promise<StartedTask> {
    const { taskId } = received;
    const request = await withUser(received, services);
    const secrets = new Secrets(request.env, true);
    const { path } = services.folder;
    const asked = requestedEvent(received, envDigest(request.env, path), services.plugin, (leftOut) =>
      keyedDigest(leftOut, path),
    );
    // An earlier plugin's request, which it is compared with, is masked, too.
    const requested = maskedEvent("requested", asked, secrets);
    const task = await this.#addNew(taskId, requested, services);
    const earlierStarts = [...this.#starts].filter(([earlier]) => taskOfRun(earlier) === taskOfRun(taskId));
    const answered = Promise.withResolvers<void>();
    this.#starts.set(taskId, answered.promise);
    let isOwn = false;
    try {
      // Their agent is gone, so they end their runs. Until then, the task may still run.
      await Promise.all(earlierStarts.map(([, over]) => over));
      await this.#endForgotten(taskId, services);
      if (task.snapshot.context.process === null) {
        const claimUser = () => this.#users.claim(task, request.user, this.#tasks.values(), services);
        task.run.setRequest(request, claimUser, secrets);
        await task.record("requested", requested);
      } else await whilePatient(() => takeOver(task, task.run.parts.commands, services));
      isOwn = true;
      const snapshot = await task.reached(startIsOver);
      if (snapshot.value === "failed") throw task.run.failure;
      const env = task.run.env ?? (await environmentFor(request, services));
      // An agent that has disconnected would not learn of the task, nor request it later.
      signal.throwIfAborted();
      return { driverState: encodeHandle(handleOf(taskId, snapshot)), env };
    } catch (thrown) {
      if (isAlive(task.state)) {
        // Nobody would notice the end of a run that could not be taken over. The task's next start ends it.
        if (isOwn) await task.end();
        else services.unclaimed.set(taskId, undefined);
      } else await task.run.refused();
      this.forget(taskId);
      throw thrown;
    } finally {
      task.run.answered();
      this.#starts.delete(taskId);
      answered.resolve();
    }
  }

  /**
   * Takes over a task once, even if there are several callers.
   * @param read reads the task's history; called only if needed
   * @throws DriverError as `takeOver` does; the task stays unknown then
   */
  async recover(taskId: TaskId, services: DriverServices, read: ReadHistory): Promise<Task> {
    const known = this.#recoveries.get(taskId) ?? this.#tasks.get(taskId);
    if (known !== undefined) {
      services.unclaimed.delete(taskId);
      return known;
    }
    const recovery = whilePatient(() => this.#recover(taskId, services, read)).finally(() =>
      this.#recoveries.delete(taskId),
    );
    this.#recoveries.set(taskId, recovery);
    return recovery;
  }

  /**
   * Returns a task of this process. Takes over a task that an earlier process left running.
   * @returns undefined also for a task that is lost: nothing of it is left to be ended
   */
  async claim(taskId: TaskId, services: DriverServices | undefined): Promise<Task | undefined> {
    try {
      if (!services?.unclaimed.has(taskId))
        return await (this.#recoveries.get(taskId) ?? this.#tasks.get(taskId));
      return await this.recover(taskId, services, async () => {
        const history = await settledHistory(taskId, services);
        if (history === undefined) throw notFound();
        return history;
      });
    } catch (thrown) {
      if (thrown instanceof DriverError && thrown.code === "TASK_LOST") return undefined;
      throw thrown;
    }
  }

  /**
   * Adds a task that is to be started, with its history if an earlier process has begun to start it.
   * @throws DriverError `TASK_EXISTS`
   */
  async #addNew(taskId: TaskId, requested: EventData<"requested">, services: DriverServices): Promise<Task> {
    if (this.#tasks.has(taskId)) throw existsAlready(taskId);
    // Usually, the log does not have the task. Then the task is added in the same turn of the event loop, so
    // that no second request comes in between.
    if (services.store.version(taskId) === 0) return this.#add(taskId);
    this.#repeated.add(taskId);
    try {
      const history = await whilePatient(() => repeatedStart(taskId, requested, services));
      if (this.#tasks.has(taskId)) throw existsAlready(taskId);
      return this.#add(taskId, history);
    } finally {
      this.#repeated.delete(taskId);
    }
  }

  #add(taskId: TaskId, history?: TaskHistory): Task {
    const task = this.#create(taskId, history);
    this.#tasks.set(taskId, task);
    return task;
  }

  /**
   * Ends earlier, unclaimed runs of the same task. An agent that starts a new run does not know of the
   * earlier runs: the previous agent process died before it learned that they had started.
   * @throws DriverError if the host is too short of something to find out whether an earlier run goes on
   */
  async #endForgotten(taskId: TaskId, services: DriverServices): Promise<void> {
    const { unclaimed, log } = services;
    unclaimed.delete(taskId);
    for (const earlier of unclaimed.keys()) {
      if (taskOfRun(earlier) !== taskOfRun(taskId)) continue;
      try {
        const task = await this.claim(earlier, services);
        await task?.end();
        await task?.record("destroyed", {});
        this.forget(earlier);
        log.warn("ended a run that the agent has forgotten", { task_id: earlier });
      } catch (thrown) {
        // Whoever cannot look must not start the task beside a run that may go on.
        if (isShortage(thrown)) throw thrown;
        unclaimed.delete(earlier);
        log.error("a run that the agent has forgotten cannot be ended", {
          task_id: earlier,
          error: messageOf(thrown),
        });
      }
    }
  }

  async #recover(taskId: TaskId, services: DriverServices, read: ReadHistory): Promise<Task> {
    const task = this.#add(taskId, await read());
    try {
      await takeOver(task, task.run.parts.commands, services);
    } catch (thrown) {
      this.forget(taskId);
      if (!isAlive(task.state)) services.unclaimed.delete(taskId);
      throw thrown;
    }
    services.unclaimed.delete(taskId);
    return task;
  }
}

/**
 * How long a takeover is tried again if the host is short of something, in milliseconds: the agent answers an
 * error of RecoverTask by destroying the task and starting it anew, and one of StartTask by forgetting the run.
 */
const patienceMs = 10_000;
const pauseMs = 250;

async function whilePatient<T>(attempt: () => Promise<T>): Promise<T> {
  const end = performance.now() + patienceMs;
  for (;;) {
    try {
      return await attempt();
    } catch (thrown) {
      if (!isShortage(thrown) || performance.now() > end) throw thrown;
      await delay(pauseMs);
    }
  }
}
