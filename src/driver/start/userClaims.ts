/**
 * The owners of dynamic users. The agent's pool lends each id once, but a restarted agent's pool does not know
 * which ids are in use, and a job may name any id of the range itself. Whoever has a task's uid owns that task's
 * files. So this driver keeps the book: an id belongs to one allocation as long as one of its tasks lives.
 */
import { DriverError } from "../../base/errors.ts";
import { allocationOf, type TaskId, taskOfRun } from "../../base/taskId.ts";
import { dynamicIdOf } from "../../effects/users/users.ts";
import { isOver, type TaskSnapshot } from "../../machines/taskMachine.ts";
import type { RecordedTask } from "../history/recordedTask.ts";
import type { DriverServices } from "../services.ts";
import { uidOf } from "./taskUser.ts";

type Claimant = Pick<RecordedTask, "id" | "snapshot">;

export class UserClaims {
  /** The ids of tasks whose sandbox is not recorded yet. */
  readonly #claimed = new WeakMap<Claimant, number>();
  readonly #runs: (unwatched: TaskSnapshot) => boolean;

  /** @param runs whether a task that no plugin watches still runs, although its history has no end yet */
  constructor(runs: (unwatched: TaskSnapshot) => boolean) {
    this.#runs = runs;
  }

  /**
   * Claims a dynamic user for a task that starts; other users have no owner. A task that is taken over claims
   * nothing: it runs already, and its history has its user.
   * @param user the task's user
   * @param tasks all tasks of this process
   * @throws DriverError `USER_IN_USE`, recoverable, if a living task of another allocation has the user, and the
   *   client does not allow that
   */
  claim(
    task: Claimant,
    user: string,
    tasks: Iterable<Claimant>,
    { options, unclaimed }: ClaimServices,
  ): void {
    const id = dynamicIdOf(user);
    if (id === undefined) return;
    const own = allocationOf(task.id);
    const holder = this.#holderOf(id, tasks, unclaimed, (other) => allocationOf(other) !== own);
    if (holder !== undefined && options.sharedDynamicIds === "refuse") throw inUse(user, task.id, holder);
    this.#claimed.set(task, id);
  }

  /** A living task with the id, among those that may be meant. */
  #holderOf(
    id: number,
    tasks: Iterable<Claimant>,
    unclaimed: ClaimServices["unclaimed"],
    isMeant: (taskId: TaskId) => boolean,
  ): TaskId | undefined {
    for (const task of tasks) {
      if (isOver(task.snapshot.value) || !isMeant(task.id)) continue;
      if ((uidOf(task.snapshot) ?? this.#claimed.get(task)) === id) return task.id;
    }
    for (const [taskId, history] of unclaimed) {
      if (history === undefined || !isMeant(taskId) || uidOf(history.snapshot) !== id) continue;
      if (this.#runs(history.snapshot)) return taskId;
    }
    return undefined;
  }
}

interface ClaimServices {
  readonly options: Pick<DriverServices["options"], "sharedDynamicIds">;
  /** Tasks that run, but that no agent has requested from this process yet. */
  readonly unclaimed: ReadonlyMap<TaskId, { readonly snapshot: TaskSnapshot } | undefined>;
}

function inUse(user: string, taskId: TaskId, holder: TaskId): DriverError {
  const summary = `user ${user} of task ${taskOfRun(taskId)} belongs to task ${taskOfRun(holder)}, which runs in another allocation`;
  return new DriverError("USER_IN_USE", summary, {
    hint: "If the job names the user, remove `user` from it. Otherwise the agent lends the id twice, as after a restart: it is safe to try again. If no agent knows that other task, end it",
    recoverable: true,
  });
}
