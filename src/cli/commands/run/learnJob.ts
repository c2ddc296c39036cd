/**
 * `run --learn`: runs a job with all files, ports and addresses allowed, and observes what its tasks use. Then runs the
 * job again with the options that the tasks need.
 */

import { DriverError } from "../../../base/errors.ts";
import type { PluginOptions } from "../../../driver/options/pluginOptions.ts";
import { deniedIn } from "../../../learn/access.ts";
import { hostView } from "../../../learn/hostView.ts";
import { type Observer, openObserver } from "../../../learn/observe/observer.ts";
import {
  entriesOf,
  formatted,
  type LearnedOptions,
  lackingIn,
  pluginWithoutRefusals,
  policyOf,
  withLearned,
  withoutRefusals,
} from "../../../learn/policies.ts";
import type { Learned } from "../../../learn/policy.ts";
import { smallestSufficient } from "../../../learn/smallest.ts";
import type { WatchedTask } from "../../../learn/watchedTasks.ts";
import { checkJob, pluginOptionsOf } from "../../../localAgent/files/checkFile.ts";
import type { Job, Task } from "../../../localAgent/jobspec/job.ts";
import type { JobFile } from "../../../localAgent/jobspec/jobFile.ts";
import { catchInterrupts, type Interrupts } from "../../../localAgent/task/interrupts.ts";
import { countOf } from "../../../units/counts.ts";
import { visible } from "../../../units/visible.ts";
import { requireRoot } from "../../requireRoot.ts";
import { printError } from "../../terminal/errors.ts";
import { type LearnedTask, type LearnReport, learnReport } from "./learnReport.ts";
import { Interrupted, isSame, type Trial, Trials } from "./learnTrials.ts";
import { jobFileOf, readJobFile, variablesOf } from "./readJobFile.ts";
import type { RunOptions } from "./runJob.ts";
import { requireWritableJobFile, writeLearned } from "./writeLearned.ts";

export interface LearnOptions extends RunOptions {
  /** Whether to write the learned options to the job file. */
  readonly write: boolean;
  /** Time after which the tasks are stopped; undefined if they run until they end or until Ctrl-C. */
  readonly stopAfterMs: number | undefined;
  /** Maximum number of runs of the job. */
  readonly tries: number;
}

/** The depth of tasks' cgroups in `run`: a slice, and a scope in it. */
const scopeLevel = 2;

/**
 * Minimum time for which a trial of a task runs that was stopped: a person may have pressed Ctrl-C as soon as
 * the task was ready, and the next run may start more slowly.
 */
const minStopMs = 1_000;

/** Maximum time for trials that leave options out. Options that no trial has left out by then are kept. */
const maxTrialMs = 120_000;

/**
 * @param path path of the job file; `-` reads standard input
 * @returns the exit code of the job under the learned options; 0 if it did the same with them until `--stop-after`
 * @throws DriverError if no task could be started, or the kernel does not report what tasks use
 * @throws DriverError `UNSUPPORTED` for a job with `mount` blocks
 */
export async function learnJob(path: string, options: LearnOptions): Promise<number> {
  requireRoot("run starts tasks in sandboxes of their own");
  const file = await readJobFile(path, options);
  // On a client, the operator has to allow unveil. Here, the user is both operator and author of the job.
  const config = { ...options.pluginConfig, unveil_by_task: true };
  const plugin = pluginOptionsOf({ ...options, pluginConfig: config });
  const job = await checkJob(file, variablesOf(options), plugin);
  refuseMounts(job);
  if (options.write) requireWritableJobFile(path, file);
  const observer = openObserver(scopeLevel);
  try {
    return await new Learning({ path, file, job, plugin, observer, options, config }).run();
  } finally {
    observer.close();
  }
}

/** The observed run sees the host's tree, in which the driver makes no mount points. */
function refuseMounts(job: Job): void {
  const tasks = job.groups.flatMap((group) => group.tasks);
  const mounting = tasks.find(({ config }) => config.mount !== undefined);
  if (mounting === undefined) return;
  const summary = `task ${mounting.name} has a mount block, with which no job can be learned`;
  throw new DriverError("UNSUPPORTED", summary, {
    option: "mount",
    hint: "Learn it without the block, with the program told to look in local/, and add the block afterwards",
  });
}

interface LearningInput {
  readonly path: string;
  readonly file: JobFile;
  readonly job: Job;
  readonly plugin: PluginOptions;
  readonly observer: Observer;
  readonly options: LearnOptions;
  /** Options of the plugin's config block. */
  readonly config: Readonly<Record<string, unknown>>;
}

/** One option that a task may need. */
interface Need {
  readonly label: string;
  /** An unveil entry; undefined for the option `identity_files`. */
  readonly entry: string | undefined;
}

/** A task of the job, and its instances in a trial. */
interface JobTask {
  /** The task's name. The group's name comes before it if the two differ. */
  readonly label: string;
  readonly group: string;
  readonly task: Task;
  readonly instances: readonly WatchedTask[];
}

interface Enforced extends Omit<LearnReport["enforced"], "trial"> {
  readonly kept: readonly Need[];
  /** The trial of the options that are kept; undefined if the user interrupted it. */
  readonly trial: Trial | undefined;
}

/** Options with which the job has worked, and the trial that has shown it. */
interface Proven {
  readonly kept: readonly Need[];
  readonly trial: Trial;
}

class Learning {
  readonly #input: LearningInput;
  /** The learned policies of tasks, by {@link JobTask.label}. */
  #policies: ReadonlyMap<string, Learned> = new Map();
  /** Number of runs of the job so far. */
  #count = 0;
  /** Whether the maximum number of runs or the maximum time has ended the trials early. */
  #limited = false;
  /** The fewest options with which the job has worked so far. They stay if the user interrupts the trials. */
  #proven: Proven | undefined;
  #interrupts: Interrupts | undefined;

  constructor(input: LearningInput) {
    this.#input = input;
  }

  async run(): Promise<number> {
    const seen = await this.#runWithoutRefusals();
    // A signal between two trials ends the trials, too.
    this.#interrupts = catchInterrupts();
    try {
      return await this.#learn(seen);
    } finally {
      this.#interrupts.release();
    }
  }

  async #learn(seen: Trial): Promise<number> {
    const { options, observer } = this.#input;
    const isUsed = accessesOf(seen).length > 0;
    // A task that could not be started used nothing, and the run has said why.
    if (seen.tasks.length === 0 || (!isUsed && seen.failures.length > 0)) return seen.exitCode;
    requireObserved(seen);
    const jobTasks = this.#jobTasks(seen);
    this.#policies = this.#policiesOf(jobTasks);
    const lost = observer.lost();
    const needs = [...this.#policies].flatMap(([label, policy]) => needsOf(label, policy));
    const enforced = await this.#enforce(seen, needs);
    const tasks = jobTasks.map((each) => this.#learned(each, needs, enforced.kept));
    const { seesCapabilities } = observer;
    const { verbose, write } = options;
    process.stdout.write(learnReport({ tasks, seen, lost, seesCapabilities, enforced, verbose }));
    if (!enforced.same) for (const failure of enforced.trial?.failures ?? []) printError(failure);
    if (write && enforced.same) await this.#write(tasks);
    else if (write)
      process.stderr.write("Nothing was written, because the tasks do not work with these options.\n");
    if (enforced.same && seen.stopped && options.stopAfterMs !== undefined) return 0;
    return enforced.trial?.exitCode ?? seen.exitCode;
  }

  async #runWithoutRefusals(): Promise<Trial> {
    const { job, config, options } = this.#input;
    await using trials = await Trials.open(this.#input, pluginWithoutRefusals(config), { isRecorded: true });
    this.#count += 1;
    const { stopAfterMs } = options;
    return await trials.run(withoutRefusals(job), { shown: true, watched: true, stopAfterMs });
  }

  get #runsLeft(): number {
    return this.#input.options.tries - this.#count;
  }

  #policiesOf(jobTasks: readonly JobTask[]): ReadonlyMap<string, Learned> {
    const host = hostView();
    return new Map(
      jobTasks.map(({ label, task, instances }) => {
        const used = instances.map((each) => ({ ...each, accesses: each.accesses() }));
        return [label, policyOf(task, used, this.#input.plugin, host)];
      }),
    );
  }

  /** Runs the job again under the learned options, then finds out which of them the job can do without. */
  async #enforce(seen: Trial, all: readonly Need[]): Promise<Enforced> {
    await using trials = await Trials.open(this.#input, this.#input.config, { isRecorded: false });
    try {
      let kept = all;
      let trial = await this.#tryWith(trials, kept, seen);
      const lookedAt = [...this.#policies].flatMap(([label, policy]) =>
        formatted(policy.lookedAt).map((entry): Need => ({ label, entry })),
      );
      if (!isSame(trial, seen) && lookedAt.length > 0 && this.#runsLeft > 0) {
        kept = [...all, ...lookedAt];
        trial = await this.#tryWith(trials, kept, seen);
      }
      // If a task was stopped, its end does not show whether it lacked anything.
      const isConclusive = isSame(trial, seen) && !seen.stopped;
      // Needs two runs: one that leaves options out, and a last one that shows what the rest allows.
      const canReduce = isConclusive && kept.length > 0 && this.#runsLeft > 1;
      if (isSame(trial, seen)) this.#proven = { kept, trial };
      if (canReduce) {
        const smallest = await this.#smallest(trials, kept, trial, seen);
        if (smallest.length < kept.length) trial = await this.#tryWith(trials, smallest, seen);
        kept = smallest;
      }
      const denied = deniedIn(accessesOf(seen), accessesOf(trial));
      const untried = this.#limited || (kept.length > 0 && !canReduce);
      return { kept, trial, same: isSame(trial, seen), denied, limited: untried };
    } catch (thrown) {
      if (!(thrown instanceof Interrupted)) throw thrown;
      if (this.#proven === undefined)
        return { kept: all, trial: undefined, same: false, denied: [], limited: true };
      return { ...this.#proven, same: true, denied: [], limited: true };
    }
  }

  /**
   * The needs that the job cannot do without: if one of them is not met, the job ends or prints differently.
   */
  async #smallest(
    trials: Trials,
    all: readonly Need[],
    withAll: Trial,
    seen: Trial,
  ): Promise<readonly Need[]> {
    const began = performance.now();
    const alike = (one: Trial, other: Trial) => (stream: string) =>
      one.printed.get(stream) === other.printed.get(stream);
    const streams = [...withAll.printed.keys()];
    // Some streams differ in every run, so they do not show whether a task lacks anything.
    const steady = streams.every(alike(withAll, seen))
      ? streams
      : streams.filter(alike(withAll, await this.#tryWith(trials, all, seen)));
    const works = async (part: readonly Need[]) => {
      this.#limited ||= this.#runsLeft <= 1 || performance.now() - began > maxTrialMs;
      if (this.#limited) return false;
      const trial = await this.#tryWith(trials, part, seen, { watched: false });
      const isEnough = isSame(trial, seen) && steady.every(alike(withAll, trial));
      if (isEnough && part.length < (this.#proven?.kept.length ?? 0)) this.#proven = { kept: part, trial };
      return isEnough;
    };
    // Tried twice, because a single difference may be chance.
    return smallestSufficient(all, async (part) => (await works(part)) || (await works(part)));
  }

  async #tryWith(
    trials: Trials,
    needs: readonly Need[],
    seen: Trial,
    { watched } = { watched: true },
  ): Promise<Trial> {
    const options = (label: string, task: Task): LearnedOptions => {
      const policy = this.#policies.get(label);
      const { unveil, identityFiles } = optionsOf(needs, label);
      const lists = policy === undefined ? {} : lackingIn(task, policy);
      return { lists, unveil: [...entriesOf(task), ...unveil], identityFiles };
    };
    const job = withLearned(this.#input.job, (group, task) => options(labelOf(group, task), task));
    if (this.#interrupts?.stop.aborted) throw new Interrupted();
    this.#count += 1;
    const known = [...this.#policies.values()].reduce(
      (sum, { unveil, identityFiles }) => sum + unveil.length + (identityFiles ? 1 : 0),
      0,
    );
    process.stderr.write(
      `Run ${this.#count} of at most ${this.#input.options.tries}: with ${countOf(needs.length, "option")} of ${Math.max(known, needs.length)}\n`,
    );
    const stopAfterMs = seen.stopped
      ? Math.max(seen.milliseconds, minStopMs)
      : this.#input.options.stopAfterMs;
    return await trials.run(job, { shown: false, watched, stopAfterMs });
  }

  #jobTasks({ tasks }: Trial): JobTask[] {
    return this.#input.job.groups.flatMap(({ name: group, tasks: own }) =>
      own.flatMap((task) => {
        const instances = tasks.filter((each) => each.task.name === task.name && each.group === group);
        return instances.length === 0 ? [] : [{ label: labelOf(group, task), group, task, instances }];
      }),
    );
  }

  #learned(of: JobTask, needs: readonly Need[], kept: readonly Need[]): LearnedTask {
    const { label, group, task, instances } = of;
    const policy = this.#policies.get(label) as Learned;
    const left = needs.filter((need) => need.label === label && !kept.includes(need));
    return {
      ...{ label, group, task, policy, ...optionsOf(kept, label) },
      lists: lackingIn(task, policy),
      portNames: new Map(instances.flatMap(({ portNames }) => [...portNames])),
      canDoWithout: left.map(({ entry }) => entry ?? "identity_files = true"),
      peaks: instances.map((each) => each.peaks()),
    };
  }

  async #write(tasks: readonly LearnedTask[]): Promise<void> {
    const { path, file, plugin, options } = this.#input;
    const changed = await writeLearned(path, file, tasks, (source) =>
      checkJob(jobFileOf(file.name, source, options), variablesOf(options), plugin),
    );
    process.stderr.write(changed ? `Written to ${visible(path)}\n` : "There is nothing to write.\n");
  }
}

/**
 * Checks that the observer has seen the tasks. Every task executes a program, so a task without any access was
 * not seen.
 * @throws DriverError `UNSUPPORTED`
 */
function requireObserved({ tasks }: Trial): void {
  if (tasks.some((task) => task.accesses().length > 0)) return;
  throw new DriverError(
    "UNSUPPORTED",
    "this host could not be observed: the kernel reported no use by any task",
    {
      hint: "Learn on a host whose cgroups are the kernel's own, outside of a container",
    },
  );
}

function labelOf(group: string, task: Task): string {
  return group === task.name ? task.name : `${group}.${task.name}`;
}

function needsOf(label: string, { unveil, identityFiles }: Learned): Need[] {
  return [
    ...formatted(unveil).map((entry): Need => ({ label, entry })),
    ...(identityFiles ? [{ label, entry: undefined }] : []),
  ];
}

/** The options of one task that meet its needs. */
function optionsOf(needs: readonly Need[], label: string): Pick<LearnedTask, "unveil" | "identityFiles"> {
  const own = needs.filter((need) => need.label === label);
  return {
    unveil: own.flatMap(({ entry }) => entry ?? []),
    identityFiles: own.some(({ entry }) => entry === undefined),
  };
}

function accessesOf({ tasks }: Trial) {
  return tasks.flatMap((task) => task.accesses());
}
