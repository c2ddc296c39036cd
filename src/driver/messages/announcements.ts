/**
 * Tells what happens to tasks: people by task events, where there is something
 * that they have to know, and the agent's log of what goes as it should.
 *
 * The client drops an event, with a warning in its log, where it has no runner for
 * the task. An agent that was restarted asks for all of its tasks first and makes
 * their runners after that. So what is to be told of such a task waits until a
 * call comes that only its runner makes; and where nobody reads the events (agents
 * open them again only some time after a plugin has died), until somebody does.
 */
import { concat, defer, type Observable, Subject } from "rxjs";
import type { Logger } from "../../log/hclog.ts";
import type { TaskEvent } from "../../machines/events.ts";
import type { TaskSnapshot } from "../../machines/fold.ts";
import type { TaskContext } from "../../machines/taskContext.ts";
import type { EventReader } from "../../store/eventStore.ts";
import { partsOfTaskId, taskOfRun } from "../../taskId.ts";
import type { TaskEventMessage } from "../driverPort.ts";
import { sharedUserOf } from "../start/taskUser.ts";
import type { CommittedStep, Task } from "../task/task.ts";
import { isFirstWithoutLimits } from "./limitsTold.ts";
import { messageOfEvent, messageOfHistory, messageOfSharedUser, type TaskMessage } from "./taskMessages.ts";

/** Messages that wait: of one task as many as the client would show of it, and of all while nobody reads. */
const maxHeld = 10;
const maxUnread = 200;

/** Allocations that are remembered; of any other the log tells. */
const maxAllocations = 1_000;

export class Announcements {
  readonly #log: Logger;
  readonly #told = new Subject<TaskEventMessage>();
  readonly #unread: TaskEventMessage[] = [];
  /** By task of an allocation: those of which no runner is known. */
  readonly #held = new Map<string, TaskEventMessage[]>();
  /** Runs that lacked memory and of which that was told: some lack it every second. */
  readonly #lackedMemory = new WeakSet<Task>();

  /** Allocations of which it was told that limits are lacking: the log need not be asked again. */
  readonly #lackLimits = new Set<string>();

  constructor(log: Logger) {
    this.#log = log;
  }

  /** What nobody has read yet, then what happens. Does not complete. */
  readonly messages: Observable<TaskEventMessage> = defer(() => concat(this.#unread.splice(0), this.#told));

  /**
   * An event of a task is committed.
   * @param tasks those of this process
   */
  committed({ task, event, snapshot }: CommittedStep, store: EventReader, tasks: () => Iterable<Task>): void {
    const { context } = snapshot;
    this.#logCourse(task.id, event, context);
    if (event.type === "started") this.#tellSharedUser(task, event.time, tasks);
    const message = messageOfEvent(event, context);
    if (message === undefined) return;
    if (event.type === "started" && this.#knowsLimits(task.id, store)) return;
    if (event.type === "oomSeen") {
      if (this.#lackedMemory.has(task)) return;
      this.#lackedMemory.add(task);
    }
    this.#tell(task.id, context, event.time, message);
  }

  /** A task of an earlier plugin process is taken over, and this is known of it. */
  takenOver(taskId: string, history: TaskSnapshot): void {
    this.awaitRunner(taskId);
    const message = messageOfHistory(history);
    if (message !== undefined) this.#tell(taskId, history.context, Date.now(), message);
  }

  /** A new agent has come: it reads nothing of these tasks before it has runners for them. */
  agentArrived(taskIds: Iterable<string>): void {
    for (const taskId of taskIds) this.awaitRunner(taskId);
    for (const message of this.#unread.splice(0)) {
      this.awaitRunner(message.taskId);
      this.#pass(message);
    }
  }

  /** From here on what is to be told of the task waits for {@link runnerCalls}. */
  awaitRunner(taskId: string): void {
    const task = taskOfRun(taskId);
    if (!this.#held.has(task)) this.#held.set(task, []);
  }

  /** The client has a runner for the task: it has made a call that nobody else makes. */
  runnerCalls(taskId: string): void {
    const task = taskOfRun(taskId);
    const held = this.#held.get(task);
    if (held === undefined) return;
    this.#held.delete(task);
    for (const message of held) this.#pass(message);
  }

  /** Whether the task's allocation has been told before of limits that are lacking. */
  #knowsLimits(taskId: string, store: EventReader): boolean {
    const allocId = partsOfTaskId(taskId)?.allocId ?? taskId;
    if (this.#lackLimits.has(allocId)) return true;
    this.#lackLimits.add(allocId);
    const [oldest = ""] = this.#lackLimits;
    if (this.#lackLimits.size > maxAllocations) this.#lackLimits.delete(oldest);
    return !isFirstWithoutLimits(taskId, store);
  }

  #tellSharedUser(task: Task, timeMs: number, tasks: () => Iterable<Task>): void {
    const shared = sharedUserOf(task, tasks);
    if (shared === undefined) return;
    const message = messageOfSharedUser(shared);
    this.#log.warn("a task has the user of another task that runs", {
      task_id: task.id,
      ...message.annotations,
    });
    this.#tell(task.id, task.snapshot.context, timeMs, message);
  }

  #tell(taskId: string, { request }: TaskContext, timeMs: number, message: TaskMessage): void {
    if (request === null) return;
    const { allocId, taskName } = request;
    this.#pass({ taskId, allocId, taskName, timeMs, ...message });
  }

  #pass(message: TaskEventMessage): void {
    const held = this.#held.get(taskOfRun(message.taskId));
    if (held !== undefined) keep(held, message, maxHeld);
    else if (this.#told.observed) this.#told.next(message);
    else keep(this.#unread, message, maxUnread);
  }

  #logCourse(taskId: string, event: TaskEvent, { sandbox, host }: TaskContext): void {
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

function keep(messages: TaskEventMessage[], message: TaskEventMessage, most: number): void {
  messages.push(message);
  if (messages.length > most) messages.shift();
}
