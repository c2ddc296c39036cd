/** What must hold in every history. A check that fails ends the history. */

import { taskOfRun } from "../../src/base/taskId.ts";
import type { ExitResult } from "../../src/driver/driverPort.ts";
import { toTaskEvent } from "../../src/driver/history/taskHistory.ts";
import { fold, isOver } from "../../src/machines/taskMachine.ts";
import { taskOfRunFolder } from "../../src/store/folder/stateFolder.ts";
import { checkLog } from "../crash/checkLog.ts";
import type { DurableLog } from "./durableLog.ts";
import type { Egress } from "./egress.ts";
import type { Kernel, RunTruth } from "./kernel.ts";
import type { Loggers } from "./loggers.ts";
import type { Life } from "./scheduler.ts";

/** What an agent has asked for, and what it was told. */
interface Known {
  /** Whether an agent has the task's handle. */
  started: boolean;
  /** Whether an agent has asked for the task's end, or sent a signal. */
  asked: boolean;
  told: ExitResult | undefined;
}

export class Checks {
  /** The first thing that was wrong. */
  failure: Error | undefined;
  readonly #kernel: Kernel;
  readonly #loggers: Loggers;
  readonly #log: DurableLog;
  readonly #known = new Map<string, Known>();
  readonly #notRemoved = new Set<string>();
  /** Tasks whose end the agent of this moment was told by WaitTask, with the plugin that told it. */
  readonly #waited = new Map<string, Life>();
  /** Whether the host has failed some call, so that what should be done may be given up. */
  #tolerates = false;

  constructor(kernel: Kernel, loggers: Loggers, egress: Egress, log: DurableLog) {
    this.#kernel = kernel;
    this.#loggers = loggers;
    loggers.onWrongKill = ({ taskId }) => this.fail(`${taskId}: the driver kills its logger while it runs`);
    egress.onWrong = (what) => this.fail(what);
    this.#log = log;
    kernel.onExecute = (run) => this.#executes(run);
    kernel.onWrongSignal = ({ pid }, signal) =>
      this.fail(`the driver sends signal ${signal} to process ${pid}, which is not a task's`);
    kernel.onForeignFiles = ({ taskId }) =>
      this.fail(`${taskId}: the init of an earlier start writes into the record of a later one`);
    kernel.onDriverSignal = (run, signal) => this.#signalled(run, signal);
  }

  fail(what: string): void {
    this.failure ??= new Error(what);
  }

  /** A call of the host has failed for lack of something. */
  callFailed(): void {
    this.#tolerates = true;
  }

  /** The agent has the task's handle on its disk. */
  started(taskId: string): void {
    this.#of(taskId).started = true;
  }

  /** The agent is about to ask for the task's end, or to send a signal. */
  asks(taskId: string): void {
    this.#of(taskId).asked = true;
  }

  /** No agent knows the task any more. */
  forgotten(taskId: string): void {
    this.#of(taskId).asked = true;
  }

  /** An agent begins: it has waited for no task yet. */
  agentBegins(): void {
    this.#waited.clear();
  }

  /** WaitTask tells the end of a task. A client drops what is announced about the task after that. */
  answersWait(taskId: string, plugin: Life): void {
    this.#waited.set(taskId, plugin);
  }

  /** The driver announces something about a task. The next plugin may announce once more what it finds. */
  announces(taskId: string, message: string, plugin: Life): void {
    const isLateDenial = message.startsWith("Denied");
    if (this.#waited.get(taskId) === plugin && !isLateDenial)
      this.fail(`${taskId}: “${message}” is announced after its end was told`);
  }

  /** The driver answers that the task has started. @param isSaved whether the log took every event */
  answersStart(taskId: string, isSaved: boolean): void {
    if (isSaved && !this.#types(taskId).includes("started"))
      this.fail(`${taskId}: a start is answered that is not committed`);
    if (!this.#kernel.runs.some((run) => run.taskId === taskId && run.released))
      this.fail(`${taskId}: a start is answered, but its task was never released`);
  }

  /** The driver answers with the task's end. @param isSaved whether the log took every event */
  answersEnd(taskId: string, exit: ExitResult, isSaved: boolean, plugin: Life): void {
    const wrong = this.#wrongEnd(taskId, exit);
    if (wrong !== undefined) this.fail(`${taskId}: the end ${JSON.stringify(exit)} is told, but ${wrong}`);
    this.#of(taskId).told = exit;
    if (isSaved && !this.#types(taskId).includes("exited"))
      this.fail(`${taskId}: an end is told that is not committed`);
    if (isSaved) this.#checkHeard(taskId, plugin);
    if (isSaved) this.#checkOutput(taskId);
  }

  /** The driver answers with the end of a command. @param isSaved whether the log took every event */
  answersCommand(taskId: string, plugin: Life, exit: ExitResult, isSaved: boolean): void {
    const commands = this.#runsOf(taskId).flatMap((run) =>
      run.commands.filter((each) => each.plugin === plugin),
    );
    const isTrue = commands.some(
      ({ end }) => end !== undefined && end.exitCode === exit.exitCode && end.signal === exit.signal,
    );
    const isUnknown = exit.exitCode === -1 && exit.error !== undefined && this.isEnding(taskId);
    if (!isTrue && !isUnknown)
      this.fail(`${taskId}: a command's end ${JSON.stringify(exit)} is told, but none ended so`);
    for (const { leader, rest } of commands)
      if (commands.length === 1 && (leader.exists || rest.some(({ exists }) => exists)))
        this.fail(`${taskId}: a command's end is told, but its processes are there`);
    const types = this.#types(taskId);
    if (isSaved && !types.includes("execStarted") && !types.includes("execsRepeated"))
      this.fail(`${taskId}: a command's end is told, and no command is in the log`);
  }

  /** The driver answers that it has taken a task over. */
  answersRecovery(taskId: string, plugin: Life): void {
    for (const run of this.#runsOf(taskId))
      for (const command of run.commands)
        if (
          command.plugin !== plugin &&
          command.plugin.dead &&
          command.executed &&
          command.leader.exists &&
          !this.#tolerates
        )
          this.fail(`${taskId}: it is taken over, but a command of an earlier plugin goes on`);
  }

  /** Whether the host was rebooted while the task ran, so that its end is unknown. */
  isLost(taskId: string): boolean {
    return this.#runsOf(taskId).some(({ init }) => this.#kernel.isOfEarlierBoot(init));
  }

  /** Whether the task has ended, or is about to end. */
  isEnding(taskId: string): boolean {
    return this.#runsOf(taskId).every(
      ({ released, end, init }) => !released || end !== undefined || init.state === "Z" || !init.exists,
    );
  }

  /** The driver answers that it has destroyed a task. */
  answersDestroyed(taskId: string): void {
    if (!this.isGone(taskId)) this.fail(`${taskId}: it is destroyed, but its processes are there`);
  }

  /**
   * Whether all processes of the task's run are gone. A launch whose plugin died before the release ends by
   * itself, and nobody waits for it.
   */
  isGone(taskId: string): boolean {
    return this.#runsOf(taskId).every(
      ({ init, task, released }) => !released || (!init.exists && !task?.exists),
    );
  }

  /** The driver tells a task's state. @param isSaved whether the log took every event */
  answersState(taskId: string, state: string | undefined, isSaved: boolean): void {
    const folded = fold([...this.#log.reader.readStream(taskId)].map(toTaskEvent)).value;
    if (isSaved && state !== folded)
      this.fail(`${taskId}: the state ${state} is told, the log has ${folded}`);
  }

  /** The log is whole, and the machine computes what it has recorded. */
  checkLog(): void {
    try {
      checkLog(this.#log.reader, []);
    } catch (thrown) {
      this.fail((thrown as Error).message);
    }
  }

  /** The log has no denial that did not happen, and none of another program. */
  checkDenials(): void {
    for (const { stream } of this.#log.reader.streams()) {
      const { kinds } = this.#kernel.audit.of(stream);
      const { refusals, others, lost } = this.#context(stream).denials;
      for (const { blockers, object, program, count } of refusals) {
        const kind = object ?? blockers.join();
        // What refuses a connection knows the last letters of the name only.
        if (program !== null && !`/bin/${stream}`.endsWith(program))
          this.fail(`${stream}: ${program} was denied ${kind}, not the task`);
        if (count > (kinds.get(kind) ?? 0))
          this.fail(`${stream}: ${count} denials of ${kind} are in the log, and ${kinds.get(kind)} happened`);
      }
      const told = sumOf(refusals.map(({ count }) => count)) + others + lost;
      const happened = sumOf([...kinds.values()]);
      if (told > happened) this.fail(`${stream}: ${told} denials are in the log, and ${happened} happened`);
    }
  }

  /** What the log says about a run's output is true, and all of it is written unless a logger was killed. */
  #checkOutput(taskId: string): void {
    const exited = [...this.#log.reader.readStream(taskId)].findLast(({ type }) => type === "exited");
    const { output: end = null } = (exited?.data ?? {}) as {
      readonly output?: { readonly stdout: { readonly bytes: number }; readonly complete: boolean } | null;
    };
    const { sandbox } = this.#context(taskId);
    const output = sandbox && this.#loggers.outputs.get(sandbox.runFolder);
    if (exited === undefined || end === null || !output || !sandbox.output) return;
    const told = end.stdout.bytes - sandbox.output.stdout.bytes;
    if (end.complete && told !== output.written && told !== output.written + output.lateLines)
      this.fail(`${taskId}: ${told} bytes of output are told, and it has written ${output.written}`);
    const wasThere = output.recordedAt <= exited.time;
    if (!end.complete && wasThere && !output.wasKilled && !this.#tolerates)
      this.fail(`${taskId}: its output is called incomplete, but no logger was killed`);
  }

  /** What a plugin that has watched a run from the beginning was told of its denials is in the log. */
  #checkHeard(taskId: string, plugin: Life): void {
    const heard = this.#kernel.audit.of(taskId).heard.get(plugin) ?? 0;
    const runs = this.#runsOf(taskId);
    const isWitness = runs.some((run) => run.released && run.plugin === plugin);
    // Denials of a command that the plugin was never told of are nobody's.
    const isUntold = runs.some(({ commands }) =>
      commands.some(({ executed, isReported }) => executed && !isReported),
    );
    if (heard === 0 || !isWitness || isUntold) return;
    const { refusals, others, lost } = this.#context(taskId).denials;
    const told = sumOf(refusals.map(({ count }) => count)) + others + lost;
    if (told < heard)
      this.fail(
        `${taskId}: its end is told, and ${told} of its denials are in the log, of ${heard} that were known`,
      );
  }

  /** A start that failed according to the log has run nothing. After a reboot, no driver looks for what has run. */
  checkFailedStarts(): void {
    for (const { stream, state } of this.#log.reader.streams())
      for (const { executed, init } of this.#runsOf(stream))
        if (state === "failed" && executed && !this.#kernel.isOfEarlierBoot(init))
          this.fail(`${stream}: its start failed according to the log, but its program ran`);
  }

  /** The host has refused to remove a folder. It may stay until the next plugin process. */
  notRemoved(folder: string): void {
    this.#notRemoved.add(folder);
  }

  /**
   * No files are left of a run that is over according to the log. Those of a start that its plugin did not
   * survive may stay until the next plugin process, if the start was repeated.
   */
  checkReleased(): void {
    const states = new Map(Array.from(this.#log.reader.streams(), ({ stream, state }) => [stream, state]));
    for (const [task, { folder, plugin }] of this.#kernel.newestFolders) {
      const stream = taskOfRunFolder(task);
      if (stream === undefined || !this.#kernel.folders.has(folder) || this.#notRemoved.has(folder)) continue;
      // The init of such a start may still have been alive when the next plugin began.
      if (plugin.dead && !this.#types(stream).includes("sandboxed")) continue;
      if (isOver(String(states.get(stream)))) this.fail(`${folder} is left of a run that is over`);
    }
  }

  /** Nothing is left once the agent has ended all its tasks and its plugin. */
  checkRemains(): void {
    const { folders, processes } = this.#kernel;
    for (const folder of folders) if (folder.startsWith("/state/run/")) this.fail(`${folder} is left`);
    for (const { pid, name } of processes.values())
      if (name !== "foreign") this.fail(`process ${pid} (${name}) is left`);
    for (const run of this.#kernel.runs) {
      const known = this.#known.get(run.taskId);
      if (this.#kernel.isOfEarlierBoot(run.init)) continue;
      if (run.executed && known?.started && !known.asked && known.told === undefined)
        this.fail(`${run.taskId}: its end was never told`);
    }
  }

  /** The events of all tasks, for people. */
  describeLog(): string[] {
    const lines: string[] = [];
    try {
      for (const { stream, seq, type, from, to } of this.#log.reader.readAll())
        lines.push(`${stream} ${seq} ${type}: ${from} → ${to}`);
    } catch (thrown) {
      lines.push(String(thrown));
    }
    return lines;
  }

  #wrongEnd(taskId: string, exit: ExitResult): string | undefined {
    const run = this.#kernel.runs.find((each) => each.taskId === taskId && each.released);
    if (run === undefined) return "the task was never released";
    const { end } = run;
    if (end === undefined || run.init.exists) return "the run goes on";
    const { told } = this.#of(taskId);
    if (told !== undefined && (told.exitCode !== exit.exitCode || told.signal !== exit.signal))
      return `another one was told before: ${JSON.stringify(told)}`;
    const isTrue = exit.exitCode === end.exitCode && exit.signal === end.signal;
    const isKill = exit.signal === 9 && run.killedByDriver && !run.recorded;
    const isUnknown = exit.exitCode === -1 && exit.error !== undefined && !run.recorded;
    return isTrue || isKill || isUnknown ? undefined : `it was ${JSON.stringify(end)}`;
  }

  #executes(run: RunTruth): void {
    const { taskId, init } = run;
    for (const other of this.#kernel.runs) {
      if (other === run || !other.executed) continue;
      if (other.taskId === taskId) this.fail(`${taskId}: its program runs twice`);
      const goesOn = other.end === undefined && !other.lostByReboot;
      if (taskOfRun(other.taskId) === taskOfRun(taskId) && goesOn)
        this.fail(`${taskId}: its program runs while ${other.taskId} still does`);
    }
    const { sandbox } = this.#context(taskId);
    if (sandbox?.init.pid !== init.pid || sandbox.init.startTicks !== init.startTicks)
      this.fail(
        `${taskId}: its program runs below init ${init.pid} before its sandbox is committed: the log has init ${sandbox?.init.pid}`,
      );
  }

  #signalled({ taskId, executed, end, task }: RunTruth, signal: number): void {
    const { started, asked } = this.#of(taskId);
    if (executed && end === undefined && task?.exists && started && !asked)
      this.fail(`${taskId}: the driver sends signal ${signal} to a task that nobody asked to end`);
  }

  #runsOf(taskId: string): RunTruth[] {
    return this.#kernel.runs.filter((run) => run.taskId === taskId);
  }

  #types(taskId: string): string[] {
    return [...this.#log.reader.readStream(taskId)].map(({ type }) => type);
  }

  #context(taskId: string) {
    return fold([...this.#log.reader.readStream(taskId)].map(toTaskEvent)).context;
  }

  #of(taskId: string): Known {
    const known = this.#known.get(taskId) ?? { started: false, asked: false, told: undefined };
    this.#known.set(taskId, known);
    return known;
  }
}

function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
