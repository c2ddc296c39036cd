/** State that the parts of a local run share. */
import type { Readable } from "node:stream";
import type { PluginSession } from "../plugin/pluginSession.ts";
import type { Interrupts } from "./interrupts.ts";
import type { OwnedPlacement, PreparedTask } from "./prepareTask.ts";

/** Shows messages of the run, and the output of its tasks. */
export interface RunDisplay {
  /** Tells what happened: the fields to programs, the text to people. */
  tell(news: RunNews, text: string): void;
  note(text: string): void;
  warn(text: string): void;
  fail(thrown: unknown): void;
  /** Shows a task's output. Resolves at its end. */
  show(label: string, source: Readable, stream: "stdout" | "stderr"): Promise<void>;
}

/** What happens in a run. Tasks have their labels, and the ids of their runs. */
export type RunNews =
  | { readonly event: "port"; readonly label: string; readonly group: string; readonly address: string }
  | { readonly event: "started"; readonly task: string; readonly id: string }
  | ({ readonly event: "ended"; readonly task: string; readonly id: string } & EndNews);

interface EndNews {
  /** 128 + signal if a signal ended the task; null if the end is unknown. */
  readonly exitCode: number | null;
  /** Number of the signal that ended the task; 0 if it exited. */
  readonly signal: number | null;
  readonly oomKilled: boolean;
  /** The end in words. */
  readonly reason: string;
}

/** A task of the run. */
export interface StartedTask {
  readonly id: string;
  /** Its label in the run's output, such as `web` or `web[1]`. */
  readonly label: string;
  /** Restarts the task, for a reason in the form of a clause. Resolves when it runs again. */
  restart(reason: string): Promise<void>;
  /** Stops the task, for such a reason. Resolves when it has ended. */
  stop(how: StopRequest, reason: string): Promise<void>;
}

/** How a person wants a task to be stopped. The job's settings apply if a field is undefined. */
export interface StopRequest {
  readonly signal?: string | undefined;
  readonly timeoutMs?: number | undefined;
}

/** Observes tasks while they run. */
export interface TaskObserver {
  /** Called when the task's cgroup and folders exist, before the task begins. */
  prepared(task: PreparedTask): void;
  /** Called when the task has ended, while its cgroup still exists. */
  ended(task: PreparedTask): void;
}

export interface LocalRun extends OwnedPlacement {
  readonly session: PluginSession;
  readonly console: RunDisplay;
  readonly interrupts: Interrupts;
  /** Folder for all files of the run. */
  readonly work: string;
  /** All tasks of the run that have been prepared. */
  readonly tasks: StartedTask[];
  /** All ports that are assigned. */
  readonly ports: Set<number>;
  readonly observer?: TaskObserver | undefined;
}
