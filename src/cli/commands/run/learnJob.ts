/**
 * `run --learn`: runs a job without refusals on files and ports, observes what its tasks use, and tries the
 * options that they need.
 */
import { setTimeout as delay } from "node:timers/promises";
import { checkJob, pluginOptionsOf } from "../../../client/files/checkFile.ts";
import { hostView } from "../../../client/learn/hostView.ts";
import {
  entriesOf,
  formatted,
  type LearnedOptions,
  lackingPorts,
  policyOf,
  withLearned,
  withoutPorts,
  withoutRefusals,
} from "../../../client/learn/policies.ts";
import { type WatchedTask, WatchedTasks } from "../../../client/learn/watchedTasks.ts";
import { deniedIn } from "../../../config/learn/access.ts";
import type { Learned } from "../../../config/learn/policy.ts";
import { smallestSufficient } from "../../../config/learn/smallest.ts";
import type { PluginOptions } from "../../../config/options/pluginOptions.ts";
import { type Observer, openObserver } from "../../../effects/observe/observer.ts";
import type { Job, Task } from "../../../jobspec/job.ts";
import { type JobFile, jobFile } from "../../../jobspec/jobFile.ts";
import type { VariableSources } from "../../../jobspec/resolve/variables.ts";
import { RUNNER_FAILED } from "../../../taskEnd.ts";
import { visible } from "../../../units/visible.ts";
import { requireRoot } from "../../requireRoot.ts";
import { printError } from "../../terminal/errors.ts";
import { LearnConsole, type Printed } from "./learnConsole.ts";
import { type LearnedTask, learnReport } from "./learnReport.ts";
import { readJobFile } from "./readJobFile.ts";
import { type ConsoleInput, consoleFor, exitCodeOf, type RunOptions, RunPlace } from "./runJob.ts";
import { refuseToWrite, writeLearned } from "./writeLearned.ts";

export interface LearnOptions extends RunOptions {
  /** Whether to write the learned options to the job file. */
  readonly write: boolean;
  /** Time after which the tasks are stopped; undefined if they end by themselves, or by Ctrl-C. */
  readonly stopAfterMs: number | undefined;
  /** Maximum number of runs of the job. */
  readonly tries: number;
}

/** The depth of tasks' cgroups in `run`: a slice, and a scope in it. */
const scopeLevel = 2;

/** Maximum time for trials that leave options out. Options that were not tried by then are kept. */
const maxTrialMs = 120_000;

/**
 * @param path path of the job file; `-` reads standard input
 * @returns the exit code of the job under the learned options
 * @throws DriverError if no task could be started, or the kernel does not tell what tasks use
 */
export async function learnJob(path: string, options: LearnOptions): Promise<number> {
  requireRoot("run starts tasks in sandboxes of their own");
  const file = await readJobFile(path, options.skips);
  // On a client, the operator has to allow unveil. Here, the user is operator and author of the job.
  const config = { ...options.pluginConfig, unveil_by_task: true };
  const plugin = pluginOptionsOf({ ...options, pluginConfig: config });
  const job = await checkJob(file, variablesOf(options), plugin);
  if (options.write) refuseToWrite(path, file);
  const observer = openObserver(scopeLevel);
  try {
    return await new Learning({ path, file, job, plugin, observer, options, config }).run();
  } finally {
    observer.close();
  }
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
export interface Need {
  readonly owner: string;
  /** An unveil entry; undefined for the option `identity_files`. */
  readonly entry: string | undefined;
}

export interface Trial {
  readonly exitCode: number;
  readonly milliseconds: number;
  /** Whether the run was stopped, by a person or after its time. */
  readonly stopped: boolean;
  readonly printed: Printed;
  readonly failures: readonly unknown[];
  readonly tasks: readonly WatchedTask[];
}

interface TrialOptions {
  /** Whether the tasks' output is shown. */
  readonly shown: boolean;
  /** Whether the tasks are observed. */
  readonly watched: boolean;
  readonly stopAfterMs: number | undefined;
}

/** The plugin and the options of a trial. */
interface Place {
  readonly place: RunPlace;
  readonly options: RunOptions;
}

/** Thrown if a person has stopped a trial. */
class Interrupted extends Error {}

class Learning {
  readonly #input: LearningInput;
  /** The learned policies by the tasks' owners. */
  #policies: ReadonlyMap<string, Learned> = new Map();
  #trials = 0;
  #limited = false;

  constructor(input: LearningInput) {
    this.#input = input;
  }

  async run(): Promise<number> {
    const { job, config, options, observer } = this.#input;
    const free = withoutPorts(config);
    const seen = await this.#inPlace(free, (place) =>
      this.#try(place, withoutRefusals(job), {
        shown: true,
        watched: true,
        stopAfterMs: options.stopAfterMs,
      }),
    );
    if (seen.tasks.length === 0) return seen.exitCode;
    const host = hostView();
    const learned = new Map<string, Learned>();
    for (const { owner, task, instances } of this.#owners(seen)) {
      const used = instances.map((each) => ({ ...each, accesses: each.accesses() }));
      learned.set(owner, policyOf(task, used, this.#input.plugin, host));
    }
    const lost = observer.lost();
    const needs = [...learned].flatMap(([owner, policy]) => needsOf(owner, policy));
    const lookedAt = [...learned].flatMap(([owner, policy]) =>
      formatted(policy.lookedAt).map((entry): Need => ({ owner, entry })),
    );
    this.#policies = learned;
    const outcome = await this.#inPlace(config, (place) => this.#enforce(place, seen, needs, lookedAt));
    const tasks = this.#owners(seen).map(({ owner, group, task, instances }): LearnedTask => {
      const policy = learned.get(owner) as Learned;
      const kept = outcome.kept.filter((need) => need.owner === owner);
      const left = needs.filter((need) => need.owner === owner && !kept.includes(need));
      return {
        owner,
        group,
        task,
        policy,
        unveil: kept.flatMap(({ entry }) => entry ?? []),
        identityFiles: kept.some(({ entry }) => entry === undefined),
        ports: lackingPorts(task, policy),
        portNames: new Map(instances.flatMap(({ portNames }) => [...portNames])),
        canDoWithout: left.map(({ entry }) => entry ?? "identity_files = true"),
        peaks: instances.map((each) => each.peaks()),
      };
    });
    const report = learnReport({
      tasks,
      seen,
      lost,
      seesCapabilities: observer.seesCapabilities,
      enforced: outcome,
      verbose: options.verbose,
    });
    process.stdout.write(report);
    if (!outcome.same) for (const failure of outcome.trial?.failures ?? []) printError(failure);
    if (options.write && outcome.same) await this.#write(tasks);
    else if (options.write) process.stderr.write("Nothing was written, since it does not work.\n");
    return outcome.trial?.exitCode ?? seen.exitCode;
  }

  /** Runs the job again under the learned options, then finds out which of them it can do without. */
  async #enforce(
    place: Place,
    seen: Trial,
    all: readonly Need[],
    lookedAt: readonly Need[],
  ): Promise<Enforced> {
    try {
      let kept = all;
      let trial = await this.#tryWith(place, kept, seen);
      if (!isSame(trial, seen) && lookedAt.length > 0) {
        kept = [...all, ...lookedAt];
        trial = await this.#tryWith(place, kept, seen);
      }
      // If a task was stopped, its end does not show whether it lacked anything.
      if (
        isSame(trial, seen) &&
        !seen.stopped &&
        kept.length > 0 &&
        this.#trials < this.#input.options.tries
      ) {
        const smallest = await this.#smallest(place, kept, trial, seen);
        if (smallest.length < kept.length) trial = await this.#tryWith(place, smallest, seen);
        kept = smallest;
      }
      const denied = this.#denied(seen, trial);
      const untried = this.#limited || (kept.length > 0 && this.#trials <= 2);
      return { kept, trial, same: isSame(trial, seen), denied, limited: untried };
    } catch (thrown) {
      if (!(thrown instanceof Interrupted)) throw thrown;
      return { kept: all, trial: undefined, same: false, denied: [], limited: true };
    }
  }

  /** The needs that the job cannot do without: lacking one, it ends differently, or prints something else. */
  async #smallest(place: Place, all: readonly Need[], withAll: Trial, seen: Trial): Promise<readonly Need[]> {
    const began = performance.now();
    const alike = (one: Trial, other: Trial) => (stream: string) =>
      one.printed.get(stream) === other.printed.get(stream);
    const streams = [...withAll.printed.keys()];
    // Some streams differ in every run, so they do not show whether a task lacks anything.
    const steady = streams.every(alike(withAll, seen))
      ? streams
      : streams.filter(alike(withAll, await this.#tryWith(place, all, seen)));
    const works = async (part: readonly Need[]) => {
      this.#limited ||= this.#trials >= this.#input.options.tries || performance.now() - began > maxTrialMs;
      if (this.#limited) return false;
      const trial = await this.#tryWith(place, part, seen, { watched: false });
      return isSame(trial, seen) && steady.every(alike(withAll, trial));
    };
    // Tried twice, because a single difference may be chance.
    return smallestSufficient(all, async (part) => (await works(part)) || (await works(part)));
  }

  #denied(seen: Trial, trial: Trial): string[] {
    const accessesOf = ({ tasks }: Trial) => tasks.flatMap((task) => task.accesses());
    return deniedIn(accessesOf(seen), accessesOf(trial));
  }

  #tryWith(
    place: Place,
    needs: readonly Need[],
    seen: Trial,
    { watched } = { watched: true },
  ): Promise<Trial> {
    const { job } = this.#input;
    const options = (owner: string, task: Task): LearnedOptions => {
      const own = needs.filter((need) => need.owner === owner);
      const policy = this.#policies.get(owner);
      return {
        ports: policy === undefined ? {} : lackingPorts(task, policy),
        unveil: [...entriesOf(task), ...own.flatMap(({ entry }) => entry ?? [])],
        identityFiles: own.some(({ entry }) => entry === undefined),
      };
    };
    const learnedJob = withLearned(job, (group, task) => options(ownerOf(group, task), task));
    return this.#try(place, learnedJob, {
      shown: false,
      watched,
      stopAfterMs: seen.stopped ? seen.milliseconds : undefined,
    });
  }

  /** Runs trials that have the same plugin options, so that one plugin serves all of them. */
  async #inPlace<Result>(
    pluginConfig: RunOptions["pluginConfig"],
    work: (place: Place) => Promise<Result>,
  ): Promise<Result> {
    const { path } = this.#input;
    const options = { ...this.#input.options, pluginConfig, keep: false };
    const place = await RunPlace.open({ path, options });
    try {
      return await work({ place, options });
    } finally {
      await place.close();
    }
  }

  async #try(
    { place, options }: Place,
    job: Job,
    { shown, watched, stopAfterMs }: TrialOptions,
  ): Promise<Trial> {
    const { path, file, observer } = this.#input;
    const tasks = new WatchedTasks(watched ? observer : undefined);
    const done = new AbortController();
    let console: LearnConsole | undefined;
    let input: ConsoleInput | undefined;
    this.#trials += 1;
    let began: number | undefined;
    const outcomes = await place.run({
      path,
      file,
      job,
      options: { ...options, verbose: shown && options.verbose },
      observer: {
        prepared: (task) => {
          tasks.prepared(task);
          if (began === undefined && stopAfterMs !== undefined && input !== undefined)
            void stopAfter(stopAfterMs, input, done.signal);
          began ??= performance.now();
        },
        ended: (task) => tasks.ended(task),
      },
      consoleFor: (given) => {
        input = given;
        console = new LearnConsole(shown ? consoleFor(job, options, given) : undefined);
        return console;
      },
    });
    done.abort();
    const stop = input?.interrupts.stop;
    if (stop?.aborted && !shown && stop.reason !== timeIsUp) throw new Interrupted();
    const names = tasks.tasks.flatMap(({ names }) => names);
    return {
      exitCode: outcomes === "interrupted" ? RUNNER_FAILED : exitCodeOf(outcomes),
      milliseconds: began === undefined ? 0 : performance.now() - began,
      stopped: stop?.aborted === true,
      printed: console?.printed(names) ?? new Map(),
      failures: console?.failures ?? [],
      tasks: tasks.tasks,
    };
  }

  /** Each task of the job, with its instances in a trial. */
  #owners({
    tasks,
  }: Trial): { owner: string; group: string; task: Task; instances: readonly WatchedTask[] }[] {
    return this.#input.job.groups.flatMap((group) =>
      group.tasks.flatMap((task) => {
        const instances = tasks.filter((each) => each.task.name === task.name && each.group === group.name);
        return instances.length === 0
          ? []
          : [{ owner: ownerOf(group.name, task), group: group.name, task, instances }];
      }),
    );
  }

  async #write(tasks: readonly LearnedTask[]): Promise<void> {
    const { path, file, plugin, options } = this.#input;
    const changed = await writeLearned(path, file, tasks, (source) =>
      checkJob(jobFile(file.name, source, options.skips), variablesOf(options), plugin),
    );
    process.stderr.write(changed ? `Written to ${visible(path)}\n` : "There is nothing to write.\n");
  }
}

function variablesOf({ variables, variableFiles }: RunOptions): VariableSources {
  return { given: variables, files: variableFiles, environment: process.env };
}

/** The result of trying the learned options. */
export interface Enforced {
  readonly kept: readonly Need[];
  /** The last trial; undefined if a person has stopped it. */
  readonly trial: Trial | undefined;
  /** Whether the last trial ended as the run without refusals did. */
  readonly same: boolean;
  /** What the job could do without refusals, but not in this trial. */
  readonly denied: readonly string[];
  /**
   * Whether no trial left out some of the options, because there were too many, because the first run was
   * stopped, or because a person has stopped the trials. The job may not need these options.
   */
  readonly limited: boolean;
}

const timeIsUp = "the time is up";

async function stopAfter(ms: number, { interrupts }: ConsoleInput, done: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal: done }).catch(() => undefined);
  if (!done.aborted) interrupts.requestStop(timeIsUp);
}

function ownerOf(group: string, task: Task): string {
  return group === task.name ? task.name : `${group}.${task.name}`;
}

function needsOf(owner: string, { unveil, identityFiles }: Learned): Need[] {
  return [
    ...formatted(unveil).map((entry): Need => ({ owner, entry })),
    ...(identityFiles ? [{ owner, entry: undefined }] : []),
  ];
}

/** Whether two trials ended in the same way. */
function isSame(one: Trial, other: Trial): boolean {
  return one.exitCode === other.exitCode && one.stopped === other.stopped;
}
