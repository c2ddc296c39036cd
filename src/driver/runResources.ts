/** What the plugin holds for a task while it lives; nothing of it is needed to recover the task. */
import type { Observable } from "rxjs";
import type { TaskRequest } from "../config/taskRequest.ts";
import type { ExitWatch } from "../effects/exitWatch.ts";
import type { HeldLaunch } from "../effects/launch/launcher.ts";
import type { DriverError } from "../errors.ts";
import type { EventData } from "../machines/events.ts";
import type { TaskUsage } from "./driverPort.ts";

export interface RunResources {
  /** The request with its secrets, until the task has started. */
  request?: TaskRequest;
  /** The task's environment, until the task has started and StartTask has been answered. */
  environment?: Readonly<Record<string, string>>;
  /** What `launch` lets go on; `releaseRun` gives it up where it never came to that. */
  held?: HeldLaunch;
  exitWatch?: ExitWatch;
  /** The log was told that the end cannot be watched: once, however often it is tried again. */
  watchFailed?: boolean;
  /** Ends the watch for lack of memory. */
  oomWatch?: () => void;
  killTimer?: NodeJS.Timeout;
  /** This process has killed the run; told here before the event that tells it is committed. */
  killed?: boolean;
  /** Samplings of what the task uses, by their interval in milliseconds. */
  stats?: Map<number, Observable<TaskUsage>>;
  /** Commands that run in the task. */
  execs?: Set<RunningExec>;
  /** Number of the last of them; counted here, since several may be on their way at once. */
  lastExec?: number;
  /** Why the task could not be started. */
  startError?: DriverError;
}

export interface RunningExec {
  /** Kills it, for a reason that its `execExited` will give. */
  end(reason: EventData<"execExited">["reason"]): void;
  /** Resolves once that event is recorded. Never rejects. */
  readonly over: Promise<unknown>;
}
