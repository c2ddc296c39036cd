/** A task as its run sees it: its state, and the way to record what happens. */
import type { Observable } from "rxjs";
import type { DriverError } from "../../base/errors.ts";
import type { TaskId } from "../../base/taskId.ts";
import type { EventData, EventType } from "../../machines/events.ts";
import type { StateName, TaskSnapshot } from "../../machines/taskMachine.ts";

export interface RecordedTask {
  readonly id: TaskId;
  /** Every event of the snapshot is committed. */
  readonly snapshot: TaskSnapshot;
  readonly state: StateName;
  /**
   * Records the result of an effect.
   * @returns false if the machine does not accept the event in its current state
   * @throws DriverError `STORE_FAILED` while the task has not started yet
   */
  record<T extends EventType>(type: T, data: EventData<T>): Promise<boolean>;
  /** Resolves once all events recorded so far are stored; rejects if the log refuses them. */
  stored(): Promise<void>;
  /** Emits the first committed state that satisfies the condition, at once if it holds now. */
  when(condition: (snapshot: TaskSnapshot) => boolean): Observable<TaskSnapshot>;
  /** Gives up the task: all who wait for one of its states get this error. */
  abandon(error: DriverError): void;
}
