/**
 * The driver as the gRPC layer sees it: plain requests and answers, no protobuf.
 * Every method may reject with a DriverError; an unknown task is `TASK_NOT_FOUND`
 * unless a method says otherwise.
 */
import type { Readable, Writable } from "node:stream";
import type { Observable } from "rxjs";
import type { PluginOptions } from "../config/options/pluginOptions.ts";
import type { TaskOptions } from "../config/options/taskOptions.ts";
import type { NodeTopology } from "../config/task/nodeTopology.ts";
import type { TaskRequest } from "../config/task/taskRequest.ts";
import type { TerminalSize } from "../effects/exec/terminal.ts";
import type { RunUsage } from "../effects/stats/usage.ts";
import type { DriverError } from "../errors.ts";

export interface DriverPort {
  /**
   * Takes the options into use; may be called again. Never called where the
   * agent only validates them, so that such a launch touches nothing.
   */
  configure(options: PluginOptions, topology: NodeTopology): Promise<void>;

  /** An agent begins to work with this process; it is not the first one where there are tasks already. */
  agentArrived(): void;

  capabilities(): Capabilities;

  /** Whether tasks can run here: at once (when configured), then at every change. Does not complete. */
  fingerprints(): Observable<Fingerprint>;

  /**
   * Resolves once the task runs. The same request again, to a new plugin process, goes on where
   * the first has come to. Once `signal` is aborted nobody learns of the task: it is ended.
   */
  startTask(request: TaskRequest, signal: AbortSignal): Promise<StartedTask>;

  /** Takes a task over; one that is known already stays as it is. Rejects with `TASK_LOST` for one that is lost. */
  recoverTask(handle: RecoverableHandle): Promise<void>;

  /** Resolves once the task has ended, at once where it has. Rejects when `signal` is aborted. */
  waitTask(taskId: string, signal: AbortSignal): Promise<ExitResult>;

  /**
   * Resolves once the run's processes are gone; an unknown task is gone.
   * @param signal what to send first, such as `SIGTERM`; empty: the driver's default
   */
  stopTask(taskId: string, timeoutMs: number, signal: string): Promise<void>;

  /** Forgets a task, with `force` a running one too; an unknown task is forgotten. */
  destroyTask(taskId: string, force: boolean): Promise<void>;

  inspectTask(taskId: string): Promise<TaskStatus>;

  signalTask(taskId: string, signal: string): Promise<void>;

  /**
   * What a task uses: at once, then every `intervalMs`; completes when the task
   * ends. Milliseconds; 0: the driver's default.
   */
  taskStats(taskId: string, intervalMs: number): Promise<Observable<TaskUsage>>;

  /**
   * Runs a command in a running task: in its sandbox, as its user. Resolves once it runs; also where
   * it cannot be found or executed, which its error output and its exit code tell, 127 or 126.
   * `TASK_NOT_RUNNING`, `CONFIG_INVALID` for an empty command, `LAUNCH_FAILED`.
   */
  exec(taskId: string, request: ExecRequest): Promise<ExecSession>;

  /** The same without input, until it has ended; beyond its time, `EXEC_TIMED_OUT`. */
  execTask(taskId: string, request: CheckRequest, signal: AbortSignal): Promise<ExecOutcome>;

  /** What people have to know of tasks: what nobody has read yet, then what happens. Does not complete. */
  taskEvents(): Observable<TaskEventMessage>;

  /** Lets go of what this process holds. Tasks go on. May be called twice. */
  shutdown(): Promise<void>;
}

/**
 * Asks the plugin that owns a state folder to hand it over.
 * Rejects where there is none that could be asked, or no answer.
 */
export type AskForFolder = (folder: string, signal: AbortSignal) => Promise<FolderOwner>;

export interface FolderOwner {
  /** Whether it has let go of the folder; it has not where an agent is connected to it. */
  readonly handedOver: boolean;
  /** Resolves once its process has ended. */
  readonly ended: Promise<void>;
  /** Stops watching it. */
  forget(): void;
}

/** What Nomad may ask of tasks of this driver. */
export interface Capabilities {
  readonly sendSignals: boolean;
  readonly exec: boolean;
  readonly fsIsolation: "none" | "chroot" | "image" | "unveil";
  readonly networkModes: readonly ("host" | "group" | "task" | "none")[];
  readonly mountConfigs: "any" | "none";
  readonly disableLogCollection: boolean;
  readonly dynamicWorkloadUsers: boolean;
}

export interface Fingerprint {
  /** Node attributes by their full names, such as `driver.exec2.unveil.tasks`. */
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
  readonly health: "undetected" | "unhealthy" | "healthy";
  readonly description: string;
  /** Why the driver has nothing to work with, where that is what makes it unhealthy. */
  readonly trouble?: DriverError;
}

export interface StartedTask {
  /** The driver's own bytes, given back by {@link DriverPort.recoverTask}. */
  readonly driverState: Uint8Array;
  /** The task's whole environment, with what the driver added. Holds secrets. */
  readonly env: Readonly<Record<string, string>>;
}

/** A started task, as the agent kept it. */
export interface RecoverableHandle {
  readonly taskId: string;
  readonly driverState: Uint8Array;
  readonly request: RecoveredRequest;
}

/**
 * The request that the task was started with. Its options are gone where the
 * agent itself was restarted, and where today's configuration refuses them.
 */
export interface RecoveredRequest extends Omit<TaskRequest, "options"> {
  readonly options: TaskOptions | undefined;
}

export interface ExitResult {
  readonly exitCode: number;
  /** Number of the signal that ended the task; 0: it exited. */
  readonly signal: number;
  readonly oomKilled: boolean;
  /** Why the rest is unknown. */
  readonly error?: string | undefined;
}

/** Times are milliseconds since the Unix epoch. */
export interface TaskStatus {
  readonly taskId: string;
  readonly taskName: string;
  readonly state: "unknown" | "running" | "exited";
  readonly startedAtMs: number | undefined;
  readonly completedAtMs: number | undefined;
  readonly exit: ExitResult | undefined;
  /** Shown by `nomad alloc status -verbose`. */
  readonly attributes: Readonly<Record<string, string>>;
}

export interface ExecRequest {
  /** The program and its arguments, which may hold secrets. */
  readonly command: readonly string[];
  readonly terminal: boolean;
  /** Of the terminal, where it is known already. */
  readonly size: TerminalSize | undefined;
}

/** A command that runs in a task. Nothing of it is left when it is over. */
export interface ExecSession {
  readonly stdin: Writable;
  readonly stdout: Readable;
  /** Empty with a terminal, which has one output. */
  readonly stderr: Readable;
  resize(size: TerminalSize): void;
  /** Resolves when it has ended; its output may not have been read by then. */
  readonly ended: Promise<ExitResult>;
  /** Kills it: nobody wants it any more. */
  cancel(): void;
}

export interface CheckRequest {
  readonly command: readonly string[];
  /** 0: without end. */
  readonly timeoutMs: number;
}

export interface ExecOutcome {
  /** The last of it, where it is too long; it says so then. */
  readonly stdout: Buffer;
  readonly stderr: Buffer;
  readonly exit: ExitResult;
}

export interface TaskEventMessage {
  readonly taskId: string;
  readonly allocId: string;
  readonly taskName: string;
  /** Milliseconds since the Unix epoch. */
  readonly timeMs: number;
  readonly message: string;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface TaskUsage extends RunUsage {
  /** Milliseconds since the Unix epoch. */
  readonly timeMs: number;
}
