/**
 * The driver's interface for the gRPC layer: plain requests and answers, no protobuf.
 * Every method may reject with a DriverError. For an unknown task, the error is
 * `TASK_NOT_FOUND`, unless a method says otherwise.
 */

import type { Readable, Writable } from "node:stream";
import type { Observable } from "rxjs";
import type { DriverError } from "../base/errors.ts";
import type { ProcessEnd } from "../base/taskEnd.ts";
import type { TaskId } from "../base/taskId.ts";
import type { NodeTopology } from "../effects/cgroup/nodeTopology.ts";
import type { EditedEgress, EgressEdit } from "../effects/egress/egressChange.ts";
import type { TerminalSize } from "../effects/exec/terminal.ts";
import type { TaskRequest } from "../effects/launch/taskRequest.ts";
import type { LogPipes } from "../effects/logs/destination.ts";
import type { TaskOptions } from "../effects/parts.ts";
import type { RunUsage } from "../effects/stats/usage.ts";
import type { PluginOptions } from "./options/pluginOptions.ts";

export interface DriverPort {
  /**
   * Applies the options. May be called again. If the agent launches the plugin only to validate options, this
   * method is not called, and the plugin touches nothing.
   */
  configure(options: PluginOptions, topology: NodeTopology): Promise<void>;

  /**
   * To be called when an agent has connected to this process. If there are tasks already, an earlier agent
   * has started them.
   */
  agentArrived(): void;

  capabilities(): Capabilities;

  /**
   * Reports whether tasks can run on this node: first after the configuration, then at every change. Does not
   * complete.
   */
  fingerprints(): Observable<Fingerprint>;

  /**
   * Resolves once the task runs. If an agent repeats a request to a new plugin process, that process
   * continues the first start where it stopped. If `signal` is aborted, the task is ended, because its agent
   * would not learn of the task.
   */
  startTask(request: TaskRequest, signal: AbortSignal): Promise<StartedTask>;

  /**
   * Takes over a task. Does nothing for a known task. Rejects with `TASK_LOST` if the task is lost.
   * @param logs of the task, which end with it even if this process never opens them
   */
  recoverTask(handle: RecoverableHandle, logs: LogPipes): Promise<void>;

  /** Resolves once the task has ended, or at once for an ended task. Rejects when `signal` is aborted. */
  waitTask(taskId: TaskId, signal: AbortSignal): Promise<ExitResult>;

  /**
   * Resolves once the run's processes have exited, or at once for an unknown task.
   * @param signal the signal to send first, such as `SIGTERM`; if empty, the driver's default
   * @param reason why the caller stops the task, as a clause; undefined if it does not say
   */
  stopTask(taskId: TaskId, timeoutMs: number, signal: string, reason?: string): Promise<void>;

  /** Forgets a task. With `force`, ends a running task first. Does nothing for an unknown task. */
  destroyTask(taskId: TaskId, force: boolean): Promise<void>;

  inspectTask(taskId: TaskId): Promise<TaskStatus>;

  signalTask(taskId: TaskId, signal: string): Promise<void>;

  /**
   * Resource usage of a task: at once, then every `intervalMs`. Completes when the
   * task ends. An interval of 0 means the driver's default.
   */
  taskStats(taskId: TaskId, intervalMs: number): Promise<Observable<TaskUsage>>;

  /**
   * Runs a command in a running task: in its sandbox, as its user. Resolves once the command runs. Also
   * resolves for a command that cannot be found or executed: its error output and its exit code, 127 or 126,
   * say so.
   * Rejects with `TASK_NOT_RUNNING` or `LAUNCH_FAILED`, or for an empty command with `CONFIG_INVALID`.
   */
  exec(taskId: TaskId, request: ExecRequest): Promise<ExecSession>;

  /** Runs a command without input until it has ended. Rejects with `EXEC_TIMED_OUT` after its timeout. */
  execTask(taskId: TaskId, request: CheckRequest, signal: AbortSignal): Promise<ExecOutcome>;

  /**
   * Records what an operator is about to do with a running task. Resolves once it is in the task's history.
   * Rejects with `TASK_NOT_RUNNING`, or with `UNSUPPORTED` for an unknown act.
   */
  recordOperator(taskId: TaskId, request: OperatorRequest): Promise<void>;

  /**
   * Changes where a running task may connect. Resolves once the change is in the task's history and in force.
   * Rejects with `CONFIG_INVALID`, `UNSUPPORTED`, `TASK_NOT_RUNNING`, `EGRESS_UNAVAILABLE` or `STORE_FAILED`.
   */
  changeEgress(taskId: TaskId, edit: EgressEdit, byWhom: ByWhom): Promise<EditedEgress>;

  /** Task events for people: first the unread ones, then new ones. Does not complete. */
  taskEvents(): Observable<TaskEventMessage>;

  /** Releases what this process holds. Tasks keep running. May be called twice. */
  shutdown(): Promise<void>;
}

/**
 * Asks the plugin that owns a state folder to hand the folder over.
 * Rejects if the plugin cannot be reached, or does not answer.
 */
export type RequestHandOver = (folder: string, signal: AbortSignal) => Promise<FolderOwner>;

export interface FolderOwner {
  /** Whether the owner has released the folder. An owner to which an agent is connected keeps the folder. */
  readonly handedOver: boolean;
  /** Resolves once the owner's process has ended. */
  readonly ended: Promise<void>;
  /** Stops watching the owner. */
  forget(): void;
}

/** The driver's capabilities, in Nomad's terms. */
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
  /** Node attributes by full name, such as `driver.exec2.unveil.tasks`. */
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
  readonly health: "undetected" | "unhealthy" | "healthy";
  readonly description: string;
  /** Why the driver's services could not be opened, if that makes the driver unhealthy. */
  readonly error?: DriverError;
}

export interface StartedTask {
  /** The driver's part of the handle. The agent passes it to {@link DriverPort.recoverTask}. */
  readonly driverState: Uint8Array;
  /** The task's whole environment, including the variables of the driver. Holds secrets. */
  readonly env: Readonly<Record<string, string>>;
}

/** A started task, as the agent stored it. */
export interface RecoverableHandle {
  readonly taskId: TaskId;
  readonly driverState: Uint8Array;
  readonly request: RecoveredRequest;
}

/**
 * The request that the task was started with. Its options are missing if the agent
 * was restarted, or if the current configuration refuses them.
 */
export interface RecoveredRequest extends Omit<TaskRequest, "options"> {
  readonly options: TaskOptions | undefined;
}

export interface ExitResult extends ProcessEnd {
  readonly oomKilled: boolean;
  /** Why the other fields are unknown. */
  readonly error?: string | undefined;
}

/** Times are milliseconds since the Unix epoch. */
export interface TaskStatus {
  readonly taskId: TaskId;
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
  /** Size of the terminal, if it is known already. */
  readonly size: TerminalSize | undefined;
}

/** A command that runs in a task. Once the command has ended, none of its processes is left. */
export interface ExecSession {
  readonly stdin: Writable;
  readonly stdout: Readable;
  /** Empty with a terminal, which has only one output. */
  readonly stderr: Readable;
  resize(size: TerminalSize): void;
  /** Resolves when the command has ended. By then, its output may not have been read to the end. */
  readonly ended: Promise<ExitResult>;
  /** Kills the command, because its caller has cancelled it. */
  cancel(): void;
}

/** What an operator is about to do: as the event `operated`, but not checked yet. */
export interface OperatorRequest {
  readonly act: string;
  readonly what: string;
  readonly by: string;
}

/** An operator who changes something, by login, and why; the reason may be empty. */
export interface ByWhom {
  readonly by: string;
  readonly reason: string;
}

export interface CheckRequest {
  readonly command: readonly string[];
  /** 0: no timeout. */
  readonly timeoutMs: number;
}

export interface ExecOutcome {
  /** The output. If it is too long, a line that says so replaces the beginning. */
  readonly stdout: Buffer;
  readonly stderr: Buffer;
  readonly exit: ExitResult;
}

export interface TaskEventMessage {
  readonly taskId: TaskId;
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
