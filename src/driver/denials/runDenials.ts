/** Records what the sandbox refuses to the processes of a run. */
import { adviceFor } from "../../denial.ts";
import type { OwnedDenial } from "../../effects/audit/denialTracker.ts";
import type { LastLine } from "../../effects/files/logPipes.ts";
import type { ProcessIdentity } from "../../effects/processes/processIdentity.ts";
import { describeRefusal } from "../../machines/events/denied.ts";
import type { EventData } from "../../machines/events.ts";
import { formatDuration } from "../../units/durations.ts";
import type { RunTask } from "../run/runTask.ts";
import { DenialTally } from "./denialTally.ts";
import type { DeniedRun, TaskDenials } from "./taskDenials.ts";

/** Milliseconds between two events of a task at least: a task that is refused many things has them in few events. */
const pauseMs = 200;

/** A refusal this long before a bad end may be its reason. */
const consequenceMs = 2_000;

/** How long the log's end is kept for a task that was refused nothing. */
const keepLogMs = 1_000;

/** Records of an ended run may come so much later. Its pids are believed for as long. */
const lateMs = 100;

/** A run's main process starts at most this long before its start is recorded. */
const maxStartMs = 60_000;

export class RunDenials implements DeniedRun {
  readonly #task: RunTask;
  #all: TaskDenials | undefined;
  #tally: DenialTally | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isDue = false;
  #log: LastLine | undefined;
  #logTimer: NodeJS.Timeout | undefined;
  #afterwards: NodeJS.Timeout | undefined;

  constructor(task: RunTask) {
    this.#task = task;
  }

  /** The run's main process runs, by the events. */
  begin(all: TaskDenials): void {
    const { sandbox, process, startedAt, denials } = this.#task.snapshot.context;
    if (sandbox === null || process === null || sandbox.unrecordedDenials !== null) return;
    if (this.#tally !== undefined) return;
    this.#all = all;
    this.#tally = new DenialTally(denials);
    const { init } = process;
    const { uid, user, runCgroup } = sandbox;
    all.add(this, { init, uid, user, runCgroup, sinceMs: (startedAt ?? 0) - maxStartMs });
    for (const domain of denials.domains) all.tracker.addDomain(this, domain);
    this.addProcess(process.task, (startedAt ?? 0) - maxStartMs);
  }

  /**
   * A process of the run that has restricted itself.
   * @param sinceMs it began after this time, in milliseconds since the epoch
   */
  addProcess({ pid }: ProcessIdentity, sinceMs: number): void {
    const { sandbox } = this.#task.snapshot.context;
    if (sandbox !== null) this.#all?.tracker.addProcess(this, { pid, uid: sandbox.uid, sinceMs });
  }

  denied({ blockers, ...denial }: OwnedDenial): void {
    if (this.#tally?.add({ ...denial, blockers: [...blockers] })) this.#due();
  }

  lost(count: number): void {
    this.#tally?.addLost(count);
    this.#due();
  }

  /** @param log to be closed here */
  keepLog(log: LastLine | undefined): void {
    this.#log = log;
    if (log === undefined) return;
    // Most tasks are refused nothing, or something at once.
    const closeUnused = () => this.#tally?.last === undefined && this.closeLog();
    this.#logTimer = setTimeout(closeUnused, keepLogMs).unref();
  }

  /** The run has ended: records what was refused, and tells it in the task's log if that may be the reason. */
  async end(exit: EventData<"exited">): Promise<void> {
    if (this.#all !== undefined) {
      const { stop } = this.#task.snapshot.context;
      const isBad = exit.exitCode !== 0 && stop === null;
      this.#all.handOut();
      // A bad end waits for records that are under way, so that its reason comes first.
      if (isBad || this.#tally?.last !== undefined) await this.#all.settle();
      this.#afterwards = setTimeout(() => this.#all?.tracker.removeProcesses(this), lateMs).unref();
      if (isBad && !exit.oomKilled) this.#explain(exit.endedAt);
      await this.record();
    }
    this.closeLog();
  }

  /** The run cannot be told of in its log any more. */
  closeLog(): void {
    clearTimeout(this.#logTimer);
    this.#log?.[Symbol.dispose]();
    this.#log = undefined;
  }

  #explain(endedAt: number): void {
    const { request } = this.#task.snapshot.context;
    const last = this.#tally?.last;
    if (this.#log === undefined || request === null || last === undefined) return;
    const beforeMs = endedAt - last.at;
    if (beforeMs > consequenceMs) return;
    const when = formatDuration(Math.max(0, beforeMs));
    const what = describeRefusal(last.refusal);
    const advice = adviceFor(last.refusal, request);
    const text = `nomad-driver-exec2: ${when} before its end the task was denied ${what}`;
    this.#log.write(advice === "" ? text : `${text}. ${advice}`);
  }

  /** Records the counts. */
  async record(): Promise<void> {
    this.#isDue = false;
    const taken = this.#tally?.take();
    if (taken !== undefined) await this.#task.record("denied", taken);
  }

  /** The task is forgotten. */
  close(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#afterwards);
    this.closeLog();
    this.#all?.remove(this);
    this.#all = undefined;
  }

  #due(): void {
    this.#isDue = true;
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => this.#pauseOver(), pauseMs).unref();
    // All that this turn reads belongs to one event.
    setImmediate(() => this.#isDue && void this.record().catch(() => undefined));
  }

  #pauseOver(): void {
    this.#timer = undefined;
    if (this.#isDue) this.#due();
  }
}
