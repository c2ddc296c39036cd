/** Runs one task from start to end, like the Nomad client's task runner. */
import { setTimeout as delay } from "node:timers/promises";
import { DriverError } from "../../base/errors.ts";
import { codeOfFailedStart, codeToPassOn, describeEnd } from "../../base/taskEnd.ts";
import { shortName } from "../../base/taskId.ts";
import type { Callers } from "../../grpc/callers.ts";
import { durationOf, msOf } from "../../grpc/convert/time.ts";
import type { DriverService, ExitResult, TaskHandle } from "../../grpc/generated/nomad/driver.ts";
import type { LaunchedPlugin } from "../../grpc/pluginClient.ts";
import { stopReason } from "../../grpc/stopReason.ts";
import { formatLife } from "../../units/durations.ts";
import type { CheckedTask } from "../checks/groupChecks.ts";
import { answered } from "../plugin/pluginSession.ts";
import { whenAborted } from "./interrupts.ts";
import type { LocalRun, StartedTask, StopRequest } from "./localRun.ts";
import { type PreparedTask, prepareAgain } from "./prepareTask.ts";

export interface TaskOutcome {
  /** The task's label in the run's output. For a group that could not run, the group's name. */
  readonly label: string;
  /** As in a shell: the task's exit code, or 128 + signal; 125 to 127 if it never ran. */
  readonly exitCode: number;
  /** The end in words, such as `exited with 42`. */
  readonly end: string;
  /**
   * Whether the group stopped the task because the task was no longer needed. Its exit code then means
   * nothing.
   */
  readonly dismissed: boolean;
  /** End time on the clock of performance.now(). */
  readonly endedAt: number;
}

/** Time to detect that a plugin has died. */
const graceMs = 2_000;

export class LocalTask implements StartedTask, CheckedTask {
  readonly #run: LocalRun;
  #prepared: PreparedTask;
  /**
   * Resolves at the end of the task's output. The output of a failed start is not shown, because it only
   * repeats the error.
   */
  #shown: Promise<unknown> = Promise.resolve();
  /** Undefined while the task does not run. */
  #handle: TaskHandle | undefined;
  #startedAt = 0;
  /** The number of log files that could not be shown. */
  #skipped = 0;
  /** Why the group no longer needs the task; undefined while it does. */
  #dismissal: string | undefined;
  #over = false;
  /** A requested restart, while the task is ending. */
  #restart: PromiseWithResolvers<void> | undefined;
  #ended: Promise<TaskOutcome> | undefined;

  constructor(run: LocalRun, prepared: PreparedTask) {
    this.#run = run;
    this.#prepared = prepared;
  }

  get task() {
    return this.#prepared.task;
  }

  get label() {
    return this.#prepared.label;
  }

  get name() {
    return this.task.name;
  }

  get env(): Readonly<Record<string, string>> {
    return Object.fromEntries(this.#prepared.message.env);
  }

  /** Start time on the clock of performance.now(); undefined while the task does not run. */
  get startedAt(): number | undefined {
    return this.#handle && this.#startedAt;
  }

  /** Id of the current or last run. */
  get id(): string {
    return this.#prepared.message.id;
  }

  /** Resolves with the task's outcome. Undefined for a task that never had to start. */
  get ended(): Promise<TaskOutcome> | undefined {
    return this.#ended;
  }

  /** Resolves when the task runs or its start has failed; a failed start is an outcome. */
  async start(): Promise<void> {
    try {
      await this.#begin();
      this.#ended = this.#supervise().catch((thrown) => this.#failed(thrown));
    } catch (thrown) {
      this.#ended = Promise.resolve(this.#failed(thrown));
    }
  }

  /**
   * Restarts the task in its allocation. Resolves when it runs again.
   * @throws DriverError `TASK_NOT_RUNNING` if the task does not run, or the whole run is ending; or the error
   * of the start
   */
  async restart(reason: string): Promise<void> {
    if (this.#handle === undefined || this.#isEnding()) throw this.#notRunning();
    this.#restart ??= Promise.withResolvers();
    const { promise } = this.#restart;
    // If the promise rejects during the stop below, this must not count as an unhandled rejection.
    promise.catch(() => undefined);
    await this.#stop(reason);
    await promise;
  }

  /** @throws DriverError `TASK_NOT_RUNNING` if the task does not run, or the driver's error */
  async stop(how: StopRequest, reason: string): Promise<void> {
    if (this.#handle === undefined) throw this.#notRunning();
    const metadata = stopReason(reason);
    await this.#call((driver) => driver.stopTask(this.#stopRequest(how), { metadata }));
  }

  /** Runs a command in the task, as a script check does. */
  async execute(command: readonly string[], timeoutMs: number): Promise<{ readonly exitCode: number }> {
    const timeout = durationOf(timeoutMs);
    const { result } = await this.#call((driver) =>
      driver.execTask({ taskId: this.id, command: [...command], timeout }),
    );
    return { exitCode: codeToPassOn(result) };
  }

  async #begin(): Promise<void> {
    const { session, console } = this.#run;
    const { plugin } = session;
    try {
      const { handle } = await answered(plugin.driver.startTask({ task: this.#prepared.message }));
      this.#handle = handle;
      this.#startedAt = performance.now();
      this.#shown = this.#show();
      const { id, label } = this;
      console.tell({ event: "started", task: label, id }, `${label}: started${this.#alias()}`);
    } catch (thrown) {
      throw (await hasDied(plugin, thrown)) ? diedAtStart() : thrown;
    }
  }

  /** The end of a message: the name by which other verbs know the task; empty if the label is this name. */
  #alias(): string {
    const { label, message } = this.#prepared;
    return label === message.name
      ? ""
      : ` as ${shortName({ allocId: message.allocId, taskName: message.name })}`;
  }

  #show(): Promise<unknown> {
    const { output, label } = this.#prepared;
    const { console } = this.#run;
    return Promise.all(streams.map((stream) => console.show(label, output[stream].run(), stream)));
  }

  /** Stops the task because the group no longer needs it. @param reason such as `bad exited with 42` */
  async dismiss(reason: string): Promise<void> {
    this.#dismissal ??= reason;
    const isRunning = !this.#over && this.#handle !== undefined;
    if (isRunning && !this.#run.interrupts.stop.aborted)
      this.#run.console.note(`${this.label}: stopped, because ${reason}`);
    await this.#stop(reason);
    await this.#ended;
  }

  /** Removes what the run made for the task outside the run's folder. */
  async cleanUp(): Promise<void> {
    this.#run.observer?.ended(this.#prepared);
    const { output, scope } = this.#prepared;
    for (const stream of streams) output[stream].close();
    await scope.remove();
  }

  /** Waits for the task's end. On request, stops, kills or restarts the task. */
  async #supervise(): Promise<TaskOutcome> {
    const { interrupts } = this.#run;
    whenAborted(interrupts.stop, () => void this.#stop(this.#whyEnding()));
    whenAborted(interrupts.kill, () => void this.#destroy());
    for (;;) {
      const result = await this.#untilEnd();
      const restart = this.#restart;
      if (restart === undefined || this.#isEnding()) {
        restart?.reject(this.#notRunning());
        return this.#outcome(codeToPassOn(result), endInWords(result));
      }
      this.#restart = undefined;
      try {
        this.#prepared = prepareAgain(this.#prepared);
        await this.#begin();
        restart.resolve();
        // A stop may have been requested during the start.
        if (this.#isEnding()) void this.#stop(this.#whyEnding());
      } catch (thrown) {
        restart.reject(this.#named(thrown));
        throw thrown;
      }
    }
  }

  /** Waits for the end of this run of the task, and destroys it in the driver. */
  async #untilEnd(): Promise<ExitResult | undefined> {
    const { console } = this.#run;
    const { result, err } = await this.#call((driver) => driver.waitTask({ taskId: this.id }));
    const span = await this.#runTime();
    await this.#destroy();
    await this.#drain();
    this.#handle = undefined;
    if (err) console.warn(`${this.label}: ${err}`);
    const { id, label } = this;
    const text = `${label}: ${describeExit(result)}${span === undefined ? "" : ` after ${span}`}`;
    console.tell({ event: "ended", task: label, id, ...newsOf(result) }, text);
    return result;
  }

  /** Whether the group or the whole run is ending, so that the task must not start again. */
  #isEnding(): boolean {
    return this.#dismissal !== undefined || this.#run.interrupts.stop.aborted;
  }

  /** The reason of {@link #isEnding}, as a clause. */
  #whyEnding(): string {
    const asked = String(this.#run.interrupts.stop.reason);
    return this.#dismissal ?? (isSignal(asked) ? `the run got ${asked}` : asked);
  }

  #notRunning(): DriverError {
    return new DriverError("TASK_NOT_RUNNING", `task ${this.label} is not running, or its run is ending`);
  }

  /** The duration of the run, from the task's history; undefined if the driver no longer knows the task. */
  async #runTime(): Promise<string | undefined> {
    try {
      const { task } = await this.#call((driver) => driver.inspectTask({ taskId: this.id }));
      return formatLife(msOf(task?.completedAt) - msOf(task?.startedAt));
    } catch {
      return undefined;
    }
  }

  #failed(thrown: unknown): TaskOutcome {
    this.#run.console.fail(this.#named(thrown));
    const code = codeOfFailedStart(thrown instanceof DriverError ? thrown.code : undefined);
    return this.#outcome(code, "failed");
  }

  /** Adds the task's name to an error, because several tasks may have the same error. */
  #named(thrown: unknown): unknown {
    return thrown instanceof DriverError ? thrown.within(`task ${this.label}`) : thrown;
  }

  #outcome(exitCode: number, end: string): TaskOutcome {
    this.#over = true;
    return {
      label: this.label,
      exitCode,
      end,
      dismissed: this.#dismissal !== undefined,
      endedAt: performance.now(),
    };
  }

  async #stop(reason: string): Promise<void> {
    const metadata = stopReason(reason);
    await this.#attempt((driver) => driver.stopTask(this.#stopRequest({}), { metadata }));
  }

  #stopRequest({ signal = this.task.killSignal ?? "", timeoutMs = this.task.killTimeoutMs }: StopRequest) {
    return { taskId: this.id, timeout: durationOf(timeoutMs), signal };
  }

  async #destroy(): Promise<void> {
    await this.#attempt((driver) => driver.destroyTask({ taskId: this.id, force: true }));
  }

  /** Makes a call and shows its failure, which does not end the wait for the task. */
  async #attempt(work: (driver: Callers<DriverService>) => Promise<unknown>): Promise<void> {
    if (this.#over || this.#handle === undefined) return;
    try {
      await this.#call(work);
    } catch (thrown) {
      this.#run.console.fail(this.#named(thrown));
    }
  }

  /** Calls the plugin. If the plugin has died, recovers the task in the next plugin, and calls again. */
  async #call<T>(work: (driver: Callers<DriverService>) => Promise<T>): Promise<T> {
    for (;;) {
      const { plugin } = this.#run.session;
      try {
        return await answered(work(plugin.driver));
      } catch (thrown) {
        if (!(await hasDied(plugin, thrown)) || !this.#handle) throw thrown;
        const replacement = await this.#run.session.replacementOf(plugin);
        // Like a Nomad client, names the task only by the handle.
        await answered(replacement.driver.recoverTask({ taskId: "", handle: this.#handle }));
      }
    }
  }

  /** Shows the rest of the output. Waits for its reader, unless the run is killed. */
  async #drain(): Promise<void> {
    const { output } = this.#prepared;
    for (const stream of streams) output[stream].finish();
    const { kill } = this.#run.interrupts;
    await Promise.race([this.#shown, new Promise<void>((resolve) => whenAborted(kill, resolve))]);
    const skipped = streams.reduce((sum, stream) => sum + output[stream].skipped, 0);
    if (skipped > this.#skipped) {
      const files = `${skipped} log ${skipped === 1 ? "file was" : "files were"}`;
      this.#run.console.warn(`${this.label}: ${files} removed before they could be shown`);
    }
    this.#skipped = skipped;
  }
}

const streams = ["stdout", "stderr"] as const;

/** Whether a run is stopped by a signal, such as that of Ctrl-C: the reason is the name of the signal then. */
function isSignal(reason: string): boolean {
  return /^SIG[A-Z]+$/.test(reason);
}

/** Whether a call failed because its plugin has died. */
async function hasDied(plugin: LaunchedPlugin, thrown: unknown): Promise<boolean> {
  if (!(thrown instanceof DriverError) || thrown.code !== "PLUGIN_FAILED") return false;
  const timer = new AbortController();
  const waited = delay(graceMs, false, { signal: timer.signal }).catch(() => false);
  const died = await Promise.race([plugin.exited.then(() => true), waited]);
  timer.abort();
  return died;
}

function diedAtStart(): DriverError {
  return new DriverError("PLUGIN_FAILED", "the plugin ended while it started the task", {
    hint: "Run the job again; the next plugin cleans up",
  });
}

function newsOf(result: ExitResult | undefined) {
  const { exitCode, signal, oomKilled = false } = result ?? {};
  const isKnown = exitCode !== undefined && exitCode >= 0;
  return {
    exitCode: isKnown ? exitCode : null,
    signal: isKnown ? (signal ?? null) : null,
    oomKilled,
    reason: endInWords(result),
  };
}

function describeExit(result: ExitResult | undefined): string {
  if (!result || result.exitCode < 0) return "ended";
  return `${describeEnd(result)}${result.oomKilled ? ", out of memory," : ""}`;
}

function endInWords(result: ExitResult | undefined): string {
  if (!result || result.exitCode < 0) return "ended";
  if (result.oomKilled) return "ran out of memory";
  return result.signal > 0 ? `was ${describeEnd(result)}` : `exited with ${result.exitCode}`;
}
