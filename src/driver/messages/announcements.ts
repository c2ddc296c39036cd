/**
 * Announces what happens to tasks: as task events if people have to know it, otherwise in the agent's log.
 *
 * The client drops an event, with a warning in its log, if it has no task runner for the task. A restarted
 * agent first recovers all of its tasks, and registers their runners after that. So messages about such a
 * task wait for a call that only its runner makes. Messages also wait while nobody reads the stream of
 * events: agents reopen the stream only some time after a plugin has died.
 */
import { concat, defer, type Observable, Subject } from "rxjs";
import type { Logger } from "../../base/hclog.ts";
import { partsOfTaskId, type TaskId, taskOfRun } from "../../base/taskId.ts";
import { lacksLimits } from "../../machines/events/starting.ts";
import type { TaskEvent } from "../../machines/events.ts";
import type { TaskContext } from "../../machines/taskContext.ts";
import type { TaskSnapshot } from "../../machines/taskMachine.ts";
import type { EventReader } from "../../store/eventStore.ts";
import type { TaskEventMessage } from "../driverPort.ts";
import { beginningOf, type Log } from "../history/taskHistory.ts";
import { sharedUserOf } from "../start/taskUser.ts";
import type { CommittedStep, Task } from "../task/task.ts";
import {
  messageOfDenial,
  messageOfDeprecated,
  messageOfEvent,
  messageOfHistory,
  messageOfSharedUser,
  type TaskMessage,
} from "./taskMessages.ts";

/** Maximum number of messages that wait for the runner of a task: as many as the client shows. */
const maxPending = 10;
/** Maximum number of messages that wait for a reader, of all tasks together. */
const maxUnread = 200;

/** Maximum number of allocations to remember. For other allocations the event log is read. */
const maxAllocations = 1_000;

/**
 * Maximum number of other runs of the allocation to read. Each run takes some 50 µs, and usually the first
 * gives the answer.
 */
const maxRuns = 50;

export class Announcements {
  readonly #log: Logger;
  readonly #published = new Subject<TaskEventMessage>();
  readonly #unread: TaskEventMessage[] = [];
  /** Messages for tasks without a known runner, by `<allocation>/<task>`. */
  readonly #pending = new Map<string, TaskEventMessage[]>();
  /** For each task, the keys of messages that are sent once. */
  readonly #announced = new WeakMap<Task, Set<string>>();

  /** For each task, the refusals that were announced: see {@link messageOfDenial}. */
  readonly #namedDenials = new WeakMap<Task, Set<string>>();

  /** Allocations whose missing limits were announced. For these the event log need not be read. */
  readonly #limitsAnnounced = new Set<string>();

  /** Tasks whose deprecated options were announced, by `<allocation>/<task>`. */
  readonly #deprecationsAnnounced = new Set<string>();

  constructor(log: Logger) {
    this.#log = log;
  }

  /** First the unread messages, then new ones. Does not complete. */
  readonly messages: Observable<TaskEventMessage> = defer(() =>
    concat(this.#unread.splice(0), this.#published),
  );

  /**
   * Announces a committed event, if people have to know it.
   * @param tasks all tasks of this process
   */
  committed({ task, event, snapshot }: CommittedStep, store: EventReader, tasks: () => Iterable<Task>): void {
    const { context } = snapshot;
    this.#logProgress(task.id, event, context);
    if (event.type === "started") {
      this.#reportSharedUser(task, event.time, tasks);
      this.#reportDeprecated(task, event.time);
    }
    const told =
      event.type === "denied"
        ? messageOfDenial(event.data, context, keysOf(this.#namedDenials, task))
        : messageOfEvent(event, this.#toldOf(task.id, event, context, store));
    if (told === undefined) return;
    const { once, ...message } = told;
    if (once !== undefined) {
      const announced = keysOf(this.#announced, task);
      if (announced.has(once)) return;
      announced.add(once);
    }
    this.#report(task.id, context, event.time, message);
  }

  /** Announces a takeover of a task from an earlier plugin process. */
  takenOver(taskId: TaskId, history: TaskSnapshot): void {
    this.awaitRunner(taskId);
    const message = messageOfHistory(history);
    if (message !== undefined) this.#report(taskId, history.context, Date.now(), message);
  }

  /** To be called when a new agent has connected. Messages about these tasks then wait for their runners. */
  agentArrived(taskIds: Iterable<TaskId>): void {
    for (const taskId of taskIds) this.awaitRunner(taskId);
    for (const message of this.#unread.splice(0)) {
      this.awaitRunner(message.taskId);
      this.#publish(message);
    }
  }

  /** Makes messages about the task wait for {@link runnerCalls}. */
  awaitRunner(taskId: TaskId): void {
    const task = taskOfRun(taskId);
    if (!this.#pending.has(task)) this.#pending.set(task, []);
  }

  /** To be called when the client has made a call that only the task's runner makes. */
  runnerCalls(taskId: TaskId): void {
    const task = taskOfRun(taskId);
    const pending = this.#pending.get(task);
    if (pending === undefined) return;
    this.#pending.delete(task);
    for (const message of pending) this.#publish(message);
  }

  /** The context that the event's message tells of: a start does not tell again which limits are missing. */
  #toldOf(taskId: TaskId, { type }: TaskEvent, context: TaskContext, store: EventReader): TaskContext {
    const { sandbox } = context;
    if (type !== "started" || sandbox === null || !lacksLimits(sandbox)) return context;
    return this.#limitsAreKnown(taskId, store) ? { ...context, sandbox: null } : context;
  }

  /** Whether missing limits were announced for the task's allocation before. */
  #limitsAreKnown(taskId: TaskId, store: EventReader): boolean {
    const allocId = partsOfTaskId(taskId)?.allocId ?? taskId;
    return !isNew(this.#limitsAnnounced, allocId) || !isFirstWithoutLimits(taskId, store);
  }

  #reportSharedUser(task: Task, timeMs: number, tasks: () => Iterable<Task>): void {
    const shared = sharedUserOf(task, tasks);
    if (shared === undefined) return;
    const message = messageOfSharedUser(shared);
    this.#log.warn("a task has the same user as another running task", {
      task_id: task.id,
      ...message.annotations,
    });
    this.#report(task.id, task.snapshot.context, timeMs, message);
  }

  /** Once for a task, because its restarts have the same options. */
  #reportDeprecated({ id, snapshot: { context } }: Task, timeMs: number): void {
    const message = messageOfDeprecated(context);
    if (message === undefined || !isNew(this.#deprecationsAnnounced, taskOfRun(id))) return;
    this.#report(id, context, timeMs, message);
  }

  #report(taskId: TaskId, { request }: TaskContext, timeMs: number, message: TaskMessage): void {
    if (request === null) return;
    const { allocId, taskName } = request;
    this.#publish({ taskId, allocId, taskName, timeMs, ...message });
  }

  #publish(message: TaskEventMessage): void {
    const pending = this.#pending.get(taskOfRun(message.taskId));
    if (pending !== undefined) keep(pending, message, maxPending);
    else if (this.#published.observed) this.#published.next(message);
    else keep(this.#unread, message, maxUnread);
  }

  #logProgress(taskId: TaskId, event: TaskEvent, { sandbox, host }: TaskContext): void {
    if (event.type === "started") {
      this.#log.debug("a task runs", {
        task_id: taskId,
        pid: event.data.task.pid,
        uid: sandbox?.uid,
        landlock_abi: host?.landlockAbi,
        unveiled: sandbox?.unveiled.length,
      });
    } else if (event.type === "recovered") {
      this.#log.debug("a task is taken over", { task_id: taskId, found: event.data.found });
    }
  }
}

/** Adds a key to those that are remembered, and forgets the oldest beyond {@link maxAllocations}. */
function isNew(known: Set<string>, key: string): boolean {
  if (known.has(key)) return false;
  known.add(key);
  const [oldest = ""] = known;
  if (known.size > maxAllocations) known.delete(oldest);
  return true;
}

function keysOf(of: WeakMap<Task, Set<string>>, task: Task): Set<string> {
  const keys = of.get(task) ?? new Set();
  of.set(task, keys);
  return keys;
}

function keep(messages: TaskEventMessage[], message: TaskEventMessage, max: number): void {
  messages.push(message);
  if (messages.length > max) messages.shift();
}

/**
 * Whether a run is the first of its allocation that started without some of its limits. If several such runs
 * started at the same time, the run whose start comes first in the log counts as the first.
 * @param taskId of a run that started without some of its limits
 * @returns true also if the log cannot be read; false also if the allocation has more runs than
 *   {@link maxRuns}
 */
function isFirstWithoutLimits(taskId: TaskId, log: Log): boolean {
  const parts = partsOfTaskId(taskId);
  if (parts === undefined) return true;
  try {
    const own = startedWithoutLimits(taskId, log) ?? Number.POSITIVE_INFINITY;
    let read = 0;
    for (const { stream } of log.streams(`${parts.allocId}/`)) {
      if (stream === taskId) continue;
      read += 1;
      const other = startedWithoutLimits(stream, log);
      if (read > maxRuns || (other !== undefined && other < own)) return false;
    }
    return true;
  } catch {
    return true;
  }
}

/** Position of a run's `started` event, if limits were missing then. */
function startedWithoutLimits(stream: string, log: Log): number | undefined {
  let lacking = false;
  for (const { type, data, position } of beginningOf(stream, log)) {
    if (type === "sandboxed") lacking = lacksLimits(data);
    if (type === "started") return lacking ? position : undefined;
  }
  return undefined;
}
