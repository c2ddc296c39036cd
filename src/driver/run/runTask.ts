/** The task whose run it is, as far as the run has to do with it. */
import type { Observable } from "rxjs";
import type { DriverError } from "../../errors.ts";
import type { EventData, EventType } from "../../machines/events.ts";
import type { TaskSnapshot } from "../../machines/fold.ts";
import type { StateName } from "../../machines/taskMachine.ts";
import type { UnsavedTask } from "../task/unsavedEvents.ts";

export interface RunTask extends UnsavedTask {
  /** Every event that led to it is committed. */
  readonly snapshot: TaskSnapshot;
  readonly state: StateName;
  /**
   * Records what has come of an effect.
   * @returns false where the machine has no use for the fact in its present state
   * @throws DriverError `STORE_FAILED` while the task has not started yet
   */
  record<T extends EventType>(type: T, data: EventData<T>): Promise<boolean>;
  /** Tells the first committed state that satisfies the condition, at once if it holds now. */
  when(condition: (snapshot: TaskSnapshot) => boolean): Observable<TaskSnapshot>;
  /** Gives the task up: everyone who waits for a state of it is told why. */
  abandon(error: DriverError): void;
}
