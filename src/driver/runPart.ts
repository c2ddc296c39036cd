/** What a run's parts have in common. Pure. */
import type { Subscription } from "rxjs";
import type { DriverError } from "../base/errors.ts";
import type { Secrets } from "../base/masking.ts";
import type { RecordedTask } from "./history/recordedTask.ts";

/** What the parts are made of. */
export interface RunGround<Services> {
  readonly task: RecordedTask;
  /** Returns the current services: a new configuration replaces them. */
  readonly services: () => Services;
  /** Ends once the run need not be watched any more: when it is released, or when this process leaves it. */
  readonly watching: Subscription;
  /** What no event, error and line of the agent's log may have of the task's environment. */
  readonly secrets: () => Secrets;
  /** Tells the operator what cannot be watched. */
  readonly warn: (problem: DriverError) => void;
}

/** What is done for a run, as far as the order of the parts is all that has to be known of it. */
export interface RunPart {
  /** The task runs, by this process or an earlier one. Whatever is begun ends with `watching`. */
  begin?(): void;
  /** All processes of the run are gone: a last look may be taken of what goes with its cgroup. */
  ended?(): void;
  /** Waits for what belongs before the end. Tried again if it rejects. */
  settle?(): Promise<void>;
  /** Whoever waits for the end, or for the failed start, has been answered. Never throws. */
  release?(): void;
  /** The end is in the event log, so no later plugin needs what the run had on the host. Never rejects. */
  giveBack?(): Promise<void>;
}
