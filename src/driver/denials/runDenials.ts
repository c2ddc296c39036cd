/** Records what the sandbox refuses to the processes of a run. */

import type { OwnedDenial } from "../../effects/denials/denialTracker.ts";
import { asksForTerminal } from "../../effects/landlock/probes.ts";
import type { LastLine } from "../../effects/logs/logPipes.ts";
import { type ProcessIdentity, startedAt } from "../../effects/processes/processIdentity.ts";
import { adviceFor, isProbe } from "../../effects/verdicts.ts";
import type { RefusalBeforeEnd } from "../../history/cause/evidence.ts";
import { describeRefusal } from "../../machines/events/denied.ts";
import type { Exit } from "../../machines/events/ending.ts";
import { formatDuration } from "../../units/durations.ts";
import type { RecordedTask } from "../history/recordedTask.ts";
import type { RunGround, RunPart } from "../runPart.ts";
import { type CountedDenial, DenialTally } from "./denialTally.ts";
import type { DeniedRun, NodeDenials } from "./nodeDenials.ts";

/**
 * Minimum time between two `denied` events of a task. It keeps a flood of refusals from becoming a flood of
 * events.
 */
const pauseMs = 200;

/** How long the log pipe is kept open for a task without refusals. */
const keepLogMs = 1_000;

/** Time after a run's end in which records of its processes' refusals may still arrive. */
const lateMs = 100;

/** Tolerance in milliseconds for times of processes, which are in ticks. */
const tickSlackMs = 20;

type Ground = Pick<RunGround<{ readonly denials: NodeDenials }>, "task" | "services" | "watching">;

export class RunDenials implements DeniedRun, RunPart {
  readonly #task: RecordedTask;
  readonly #services: Ground["services"];
  #all: NodeDenials | undefined;
  #tally: DenialTally | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isDue = false;
  #log: LastLine | undefined;
  #logTimer: NodeJS.Timeout | undefined;
  #afterwards: NodeJS.Timeout | undefined;

  constructor({ task, services, watching }: Ground) {
    this.#task = task;
    this.#services = services;
    watching.add(() => this.closeLog());
  }

  /** Begins to watch the run's main process, which is running according to the events. */
  begin(): void {
    const { sandbox, process, denials } = this.#task.snapshot.context;
    if (sandbox === null || process === null || this.#all !== undefined) return;
    if (sandbox.unrecordedDenials !== null && sandbox.egress === null) return;
    if (this.#tally !== undefined) this.#due();
    this.#tally ??= new DenialTally(denials);
    if (sandbox.unrecordedDenials !== null) return;
    const all = this.#services().denials;
    this.#all = all;
    const { init } = process;
    const { uid, user, runCgroup } = sandbox;
    const sinceMs = startedAt(init) - tickSlackMs;
    all.add(this, { init, uid, user, runCgroup, sinceMs });
    for (const domain of denials.domains) all.tracker.addDomain(this, domain);
    this.addProcess(process.task, sinceMs);
  }

  /**
   * Adds a process of the run. To be called once the process has restricted itself.
   * @param sinceMs a time before the process's start, in milliseconds since the epoch
   */
  addProcess({ pid }: ProcessIdentity, sinceMs: number): void {
    const { sandbox } = this.#task.snapshot.context;
    if (sandbox !== null) this.#all?.tracker.addProcess(this, { pid, uid: sandbox.uid, sinceMs });
  }

  denied({ blockers, request, ...denial }: OwnedDenial): void {
    // A probe is not even counted: most programs start with some, and would fill histories with them.
    if (request !== null && asksForTerminal(request)) return;
    if (isProbe({ blockers, object: denial.object }, this.#task.snapshot.context)) return;
    if (this.#tally?.add({ ...denial, blockers: [...blockers] })) this.#due();
  }

  /** Counts a refusal that the kernel's audit does not tell. It may come before {@link begin}. */
  refused(denial: Omit<CountedDenial, "domain">): void {
    this.#tally ??= new DenialTally(this.#task.snapshot.context.denials);
    if (this.#tally.add({ ...denial, domain: null })) this.#due();
  }

  lost(count: number): void {
    this.#tally?.addLost(count);
    this.#due();
  }

  /** Keeps the run's log open for a last line. @param log is closed by this object */
  keepLog(log: LastLine | undefined): void {
    this.#log = log;
    if (log === undefined) return;
    // Most tasks have no refusals, or have them right after their start.
    const closeUnused = () => this.#tally?.isEmpty !== false && this.closeLog();
    this.#logTimer = setTimeout(closeUnused, keepLogMs).unref();
  }

  /**
   * To be called when the run has ended. Records its refusals, and adds a line to the task's log if the last
   * refusal may be the reason for a failure.
   */
  async end(exit: Exit): Promise<void> {
    const { stop } = this.#task.snapshot.context;
    const isBad = exit.exitCode !== 0 && stop === null;
    if (this.#all !== undefined) {
      this.#all.handOut();
      // Waits for records that are under way, so that the reason for a failure is recorded before the
      // failure.
      if (isBad || this.#tally?.isEmpty === false) await this.#all.settle(this);
      this.#all.ended(this, exit.endedAt);
      this.#afterwards = setTimeout(() => this.#all?.tracker.removeProcesses(this), lateMs).unref();
    }
    if (this.#tally !== undefined) {
      if (isBad && !exit.oomKilled) this.#explain(exit.endedAt);
      await this.record();
    }
    this.closeLog();
  }

  /** The last refusal before an end, if it may be the reason for a failure. @param endedAt see {@link end} */
  lastBefore(endedAt: number): RefusalBeforeEnd | undefined {
    return this.#tally?.lastBefore(endedAt);
  }

  /** Closes the run's log. After that, no line can be added. */
  closeLog(): void {
    clearTimeout(this.#logTimer);
    this.#log?.[Symbol.dispose]();
    this.#log = undefined;
  }

  #explain(endedAt: number): void {
    const { context } = this.#task.snapshot;
    const last = this.#tally?.lastBefore(endedAt);
    if (this.#log === undefined || context.request === null || last === undefined) return;
    const when = formatDuration(last.beforeMs);
    const what = describeRefusal(last.refusal);
    const advice = adviceFor(last.refusal, context);
    const text = `nomad-driver-exec2: ${when} before its end the task was denied ${what}`;
    this.#log.write(advice === "" ? text : `${text}. ${advice}`);
  }

  /** Records the counts that have changed since the last record. */
  async record(): Promise<void> {
    this.#isDue = false;
    const taken = this.#tally?.take();
    if (taken === undefined) return;
    // Not before the task runs according to the events. Its program may already have been refused something.
    if (!(await this.#task.record("denied", taken))) this.#tally?.giveBack(taken);
  }

  /** To be called before the task is forgotten. Records what has come since {@link end}. */
  async finish(): Promise<void> {
    await this.#all?.finish(this, this.#task.id);
    clearTimeout(this.#timer);
    clearTimeout(this.#afterwards);
    this.closeLog();
    this.#all?.remove(this);
    this.#all = undefined;
    await this.record();
  }

  #due(): void {
    this.#isDue = true;
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => this.#pauseOver(), pauseMs).unref();
    // Deferred, so that all refusals that are read in this turn are in one event.
    setImmediate(() => this.#isDue && void this.record().catch(() => undefined));
  }

  #pauseOver(): void {
    this.#timer = undefined;
    if (this.#isDue) this.#due();
  }
}
