/** Ends a run that is to end: by its stop command, by its stop's signal, and at last by SIGKILL. */
import { isSameProcess } from "../../effects/processes/processIdentity.ts";
import { killInit, killTask, signalGroup } from "../../effects/processes/signals.ts";
import { waitingThreads } from "../../effects/processes/waitingThreads.ts";
import { stopCommandFailed } from "../../machines/events/ending.ts";
import { isOver } from "../../machines/taskMachine.ts";
import type { CommandServices, RunCommands } from "../exec/commands.ts";
import { type Retry, retrying } from "../retry.ts";
import type { RunGround } from "../runPart.ts";
import { commandTimeOf, runStopCommand, stopCommandOf } from "./stopCommand.ts";

/** Milliseconds that init gets to end the rest of a killed run. */
const initGraceMs = 2_000;

export class RunStop {
  readonly #ground: RunGround<CommandServices>;
  readonly #commands: RunCommands;
  #killTimer: NodeJS.Timeout | undefined;
  #signalTimer: NodeJS.Timeout | undefined;
  /**
   * Whether the task is being asked to stop by its command. A repeated stop joins the first one meanwhile, and
   * sends the signal at once afterwards.
   */
  #stopCommand: "notRun" | "underWay" | "over" = "notRun";
  #killed = false;

  constructor(ground: RunGround<CommandServices>, commands: RunCommands) {
    this.#ground = ground;
    this.#commands = commands;
  }

  /** Whether this process has killed the run; set before the event `forceKilled` is committed. */
  get killed(): boolean {
    return this.#killed;
  }

  async sendSignal(): Promise<void> {
    const { task } = this.#ground;
    const { stop, process } = task.snapshot.context;
    if (stop === null || process === null) return;
    if (this.#stopCommand === "underWay") return;
    const retry = this.#retrying("a task cannot be stopped yet");
    const hasCommand = this.#stopCommand === "notRun" && stopCommandOf(task.snapshot.context).length > 0;
    if (hasCommand && !(await this.#outlivesStopCommand(stop.timeoutMs, retry))) return;
    const delivered = await retry(
      () => signalGroup(process.task, stop.signal),
      () => task.state !== "stopping",
    );
    if (delivered !== undefined) await task.record("signalled", { signal: stop.signal, delivered });
  }

  /**
   * Runs the task's stop command. If it succeeds, the task gets the rest of the command's time to end by itself.
   * @returns whether the task goes on, and has to get the signal
   */
  async #outlivesStopCommand(timeoutMs: number, retry: Retry): Promise<boolean> {
    const { task, services, secrets } = this.#ground;
    this.#stopCommand = "underWay";
    const begun = performance.now();
    const limitMs = commandTimeOf(timeoutMs);
    const { context } = task.snapshot;
    const command = stopCommandOf(context).map((word) => secrets().expand(word));
    const ended = await runStopCommand(context, command, limitMs, this.#commands, services);
    await task.record("stopCommandEnded", ended);
    if (!stopCommandFailed(ended)) {
      const leftMs = Math.max(0, limitMs - (performance.now() - begun));
      await new Promise((resolve) => {
        this.#signalTimer = setTimeout(resolve, leftMs);
      });
    }
    this.#stopCommand = "over";
    const { state, snapshot } = task;
    const { process } = snapshot.context;
    if (state !== "stopping" || process === null) return false;
    const isAliveStill = await retry(
      () => isSameProcess(process.task),
      () => task.state !== "stopping",
    );
    return isAliveStill === true;
  }

  /** Records `stopTimedOut` when the stop's timeout is over. */
  async startKillTimer(): Promise<void> {
    const { task } = this.#ground;
    const { stop } = task.snapshot.context;
    if (stop === null) return;
    const { timeoutMs } = stop;
    await this.#after(timeoutMs);
    await task.record("stopTimedOut", { timeoutMs });
  }

  /**
   * Sends SIGKILL to the task's main process. Init then ends the rest of the run and records the exit. If
   * init misses its deadline, for example because it is stopped, init is killed too. Its pid namespace ends
   * with it. The cgroup is never killed, because the next run may be in it already.
   */
  async kill(): Promise<void> {
    const { task } = this.#ground;
    const { stop, process } = task.snapshot.context;
    if (process === null) return;
    const waits = stop?.timedOut ? await waitingThreads(process.task) : undefined;
    const retry = this.#retrying("a task cannot be killed yet");
    const isOverAlready = () => isOver(task.state);
    const delivered = await retry(() => killTask(process.task), isOverAlready);
    if (delivered === undefined) return;
    if (delivered) this.#killed = true;
    void this.#after(initGraceMs)
      .then(() => retry(() => killInit(process.init), isOverAlready))
      .then((killed) => {
        if (killed) this.#killed = true;
      });
    await task.record("forceKilled", {
      reason: stop?.timedOut ? "stopTimedOut" : "destroyRequested",
      delivered,
      ...(delivered && waits && { waits }),
    });
  }

  /** Nothing is sent any more. */
  cancel(): void {
    clearTimeout(this.#killTimer);
    clearTimeout(this.#signalTimer);
  }

  #retrying(problem: string): Retry {
    return retrying(() => this.#ground.services().log, this.#ground.task.id, problem);
  }

  /** Resolves after `ms`, unless another timer is set or the run is released before then. */
  #after(ms: number): Promise<void> {
    clearTimeout(this.#killTimer);
    return new Promise((resolve) => {
      this.#killTimer = setTimeout(resolve, ms);
    });
  }
}
