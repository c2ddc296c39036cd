/** `run JOB`: runs a job's tasks on this host, without a Nomad cluster. */
import { constants } from "node:os";
import { join } from "node:path";
import { defaultStateDir } from "../../../base/defaultStateDir.ts";
import { DriverError } from "../../../base/errors.ts";
import { endBySignal, RUNNER_FAILED } from "../../../base/taskEnd.ts";
import { shortNameOf, taskName } from "../../../base/taskId.ts";
import { readNodeTopology } from "../../../effects/cgroup/nodeCores.ts";
import type { NodeTopology } from "../../../effects/cgroup/nodeTopology.ts";
import { exitText } from "../../../grpc/pluginClient.ts";
import { taskLabel } from "../../../localAgent/allocation/allocation.ts";
import { checkJob, pluginOptionsOf } from "../../../localAgent/files/checkFile.ts";
import type { Group, Job } from "../../../localAgent/jobspec/job.ts";
import type { JobFile } from "../../../localAgent/jobspec/jobFile.ts";
import { PluginSession } from "../../../localAgent/plugin/pluginSession.ts";
import { runGroup } from "../../../localAgent/task/groupRun.ts";
import { catchInterrupts, type Interrupts, whenAborted } from "../../../localAgent/task/interrupts.ts";
import type { LocalRun, StartedTask, TaskObserver } from "../../../localAgent/task/localRun.ts";
import type { TaskOutcome } from "../../../localAgent/task/localTask.ts";
import { findLeftovers } from "../../../localAgent/work/leftovers.ts";
import { openControl, type RunControl, type RunRequest } from "../../../localAgent/work/runControl.ts";
import { makeWorkFolder, type WorkFolder, workParent } from "../../../localAgent/work/workFolder.ts";
import { StateFolderChoice } from "../../../store/folder/logFolders.ts";
import { requireRoot } from "../../requireRoot.ts";
import { leftoverSentence } from "../../tasks/leftoverText.ts";
import { errnoText } from "../../terminal/errors.ts";
import { type OutputFailure, streamName } from "../../terminal/output.ts";
import type { EventFeed } from "./eventFeed.ts";
import { type JobOptions, readJobFile, variablesOf } from "./readJobFile.ts";
import { type JobConsole, RunConsole } from "./runConsole.ts";

export interface RunOptions extends JobOptions {
  readonly stateDir: string;
  /** Options of the plugin's config block. */
  readonly pluginConfig: Readonly<Record<string, unknown>>;
  readonly verbose: boolean;
  readonly raw: boolean;
  readonly keep: boolean;
  /** Whether to print what happens as JSON, one object per line. */
  readonly json: boolean;
  /** Whether the command line has options without which another verb reads the job in another way. */
  readonly hasJobOptions?: boolean;
}

/**
 * @param path of the job file; `-` reads standard input
 * @returns the tasks' exit code: the first that is not 0, if there are several tasks
 * @throws DriverError if no task could be started
 */
export async function runJob(path: string, options: RunOptions): Promise<number> {
  return (await runToEnd(path, options)).exitCode;
}

async function runToEnd(path: string, options: RunOptions): Promise<RunEnd> {
  requireRoot("run starts tasks in sandboxes of their own");
  const file = await readJobFile(path, options);
  const job = await checkJob(file, variablesOf(options), pluginOptionsOf(options));
  await using runner = await JobRunner.open({ path, options });
  const run = { path, file, job, options };
  const outcomes = await runner.run({ ...run, consoleFor: (input) => consoleOf(job, options, input) });
  if (outcomes === "interrupted") return interrupted;
  await runner.offerProofs(run, outcomes);
  return endOf(outcomes);
}

/**
 * Like {@link runJob}, but prints a line of JSON for each event. The last line has the exit code, and the
 * reason for it.
 */
export async function runJobAsJson(path: string, options: RunOptions): Promise<number> {
  const { errorEvent, printDone, printEvent } = await import("./jsonConsole.ts");
  try {
    const { exitCode, reason } = await runToEnd(path, options);
    printDone(exitCode, reason);
    return exitCode;
  } catch (thrown) {
    if (!(thrown instanceof DriverError)) throw thrown;
    printEvent(errorEvent(thrown));
    printDone(RUNNER_FAILED, "run failed");
    return RUNNER_FAILED;
  }
}

interface RunEnd {
  readonly exitCode: number;
  /** Such as `web exited with 3`. */
  readonly reason: string;
}

/** A single run of a job. */
export interface JobRun {
  /** The job file's path as the person typed it. */
  readonly path: string;
  readonly file: JobFile;
  readonly job: Job;
  readonly options: RunOptions;
  readonly consoleFor: (run: ConsoleInput) => JobConsole | Promise<JobConsole>;
  readonly observer?: TaskObserver;
}

export interface ConsoleInput {
  readonly interrupts: Interrupts;
  /** The label of a task, by the id of its run. */
  readonly labelOf: (id: string) => string;
}

/** A plugin and a work folder, for runs that follow one another. */
export class JobRunner {
  readonly #work: WorkFolder;
  /** The driver's state_dir of this runner alone; undefined for that of the options. */
  readonly #ownState: string | undefined;
  #session: PluginSession | undefined;
  #stateFolder = "";
  #control: RunControl | undefined;
  #tasks: readonly StartedTask[] = [];
  #console: JobConsole | undefined;

  private constructor(work: WorkFolder, { isTrial }: { readonly isTrial: boolean }) {
    this.#work = work;
    this.#ownState = isTrial ? join(work.path, "state") : undefined;
  }

  /**
   * @param isTrial whether the runs are trials, whose histories are removed with the work folder
   * @throws DriverError `RUN_FOLDER_UNUSABLE`
   */
  static async open(
    { path, options }: Pick<JobRun, "path" | "options">,
    isTrial = false,
  ): Promise<JobRunner> {
    return new JobRunner(await makeWorkFolder({ job: path, keep: options.keep }, workParent), { isTrial });
  }

  /**
   * Runs a job. The first run launches the plugin, with that run's options.
   * @returns the tasks' outcomes, in the order of their ends in each group; `interrupted` if the run
   * was interrupted before any task began
   * @throws DriverError if no task could be started
   */
  async run(run: JobRun): Promise<readonly TaskOutcome[] | "interrupted"> {
    const interrupts = catchInterrupts();
    try {
      return await this.#run(interrupts, run);
    } finally {
      interrupts.release();
    }
  }

  /** Tells how to try what would help each failed task, where there is something to try. */
  async offerProofs(
    { path, job, options }: Pick<JobRun, "path" | "job" | "options">,
    outcomes: readonly TaskOutcome[],
  ): Promise<void> {
    // Standard input can be read only once.
    if (path === "-") return;
    const failed = outcomes.filter(({ exitCode, dismissed }) => exitCode !== 0 && !dismissed);
    for (const { label } of failed) {
      const id = this.#tasks.find((each) => each.label === label)?.id;
      // Loaded on demand: most runs do not fail.
      if (id === undefined) continue;
      const { hasTrial } = await import("../../histories/recordedProof.ts");
      const { stateDir } = options;
      if (!(await hasTrial({ path: stateDir, name: id, back: 0 }, job))) continue;
      const words = [
        ...["nomad-driver-exec2", "why", shortNameOf(id)],
        ...(stateDir === defaultStateDir ? [] : ["--state-dir", shellWord(stateDir)]),
        ...["--prove", shellWord(path)],
      ];
      const same = options.hasJobOptions ? ", with the options of this run" : "";
      this.#console?.note(`To try what would help ${label}${same}: ${words.join(" ")}`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#control?.close();
    await this.#session?.close();
    await this.#work.close();
  }

  async #run(
    interrupts: Interrupts,
    { file, job, options, consoleFor, observer }: JobRun,
  ): Promise<readonly TaskOutcome[] | "interrupted"> {
    const tasks: StartedTask[] = [];
    const console = await consoleFor({ interrupts, labelOf: (id) => this.#labelOf(id) });
    this.#tasks = tasks;
    this.#console = console;
    for (const notice of notices(job, file)) console.note(notice);
    warnOfLeftovers(console);
    whenAborted(interrupts.stop, () => {
      console.note(`${interrupts.stop.reason}: stopping the tasks; press Ctrl-C again to kill them`);
    });
    const { path: work, owner } = this.#work;
    if (options.keep) console.note(`keeping folders: ${work}`);
    const topology = readNodeTopology();
    const session = await this.#sessionFor(options, topology, interrupts.stop).catch((thrown: unknown) => {
      if (interrupts.stop.aborted) return undefined;
      throw thrown;
    });
    if (session === undefined) return "interrupted";
    console.pluginReady();
    const ports = new Set<number>();
    const { dynamicUserIds } = pluginOptionsOf(options);
    const common = { file, job, session, console, interrupts, topology, dynamicUserIds };
    const shared = { ...common, tasks, ports, work, owner, observer };
    let feed: EventFeed | undefined;
    try {
      this.#control ??= await openControl(work, (request) => serve(this.#tasks, request));
      if (options.verbose) {
        // Loaded on demand: only a verbose run reads the event log.
        const { followEvents } = await import("./eventFeed.ts");
        feed = await followEvents(this.#stateFolder, console.event);
      }
      const instances = job.groups.flatMap((group) =>
        Array.from({ length: group.count }, (_, index) => runGroupOrFail(shared, group, index)),
      );
      const outcomes = (await Promise.all(instances)).flat();
      return interrupts.stop.aborted && outcomes.length === 0 ? "interrupted" : outcomes;
    } finally {
      await feed?.close();
    }
  }

  #labelOf(id: string): string {
    return this.#tasks.find((each) => each.id === id)?.label ?? taskName(id);
  }

  async #sessionFor(
    options: RunOptions,
    topology: NodeTopology,
    interrupt: AbortSignal,
  ): Promise<PluginSession> {
    if (this.#session !== undefined) return this.#session;
    const stateFolder = new StateFolderChoice(this.#ownState ?? options.stateDir);
    this.#session = await PluginSession.start({
      // A local run has no agent to collect logs. Trials find out by other means what a task lacks.
      config: {
        ...(this.#ownState === undefined && { black_box: "auto" }),
        ...options.pluginConfig,
        log_collection: "driver",
      },
      topology,
      stateFolder,
      work: this.#work.path,
      interrupt,
      onLogLine: (line) => this.#console?.pluginLog(line),
      onTaskEvent: ({ taskId, message }) => this.#console?.warn(`${this.#labelOf(taskId)}: ${message}`),
      onRestart: (exit) =>
        this.#console?.warn(`the plugin has ended (${exitText(exit)}); restarting it; tasks keep running`),
    });
    this.#stateFolder = stateFolder.path;
    this.#work.setStateFolder(stateFolder.path);
    return this.#session;
  }
}

/** A word that a shell takes as it is. */
function shellWord(text: string): string {
  return /^[\w./@%+=:,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

async function serve(tasks: readonly StartedTask[], request: RunRequest): Promise<void> {
  const id = "stop" in request ? request.stop : request.restart;
  const task = tasks.find((each) => each.id === id);
  if (task === undefined) {
    const summary = `task ${taskName(id)} has already been restarted, or has ended`;
    throw new DriverError("TASK_NOT_RUNNING", summary);
  }
  await ("stop" in request
    ? task.stop(request, "the verb stop was used")
    : task.restart("the verb restart was used"));
}

const interrupted: RunEnd = {
  exitCode: endBySignal(constants.signals.SIGINT).exitCode,
  reason: "interrupted before any task began",
};

/** If a group cannot be prepared, all groups stop, since the job would not run as its file says. */
async function runGroupOrFail(run: LocalRun, group: Group, index: number): Promise<TaskOutcome[]> {
  try {
    return await runGroup(run, group, index);
  } catch (thrown) {
    run.console.fail(thrown);
    // The group's own tasks need no stop, because none of them has started.
    if (run.job.groups.length > 1 || group.count > 1)
      run.interrupts.requestStop(`group ${group.name} cannot run`);
    const end = "failed";
    return [
      { label: group.name, exitCode: RUNNER_FAILED, end, dismissed: false, endedAt: performance.now() },
    ];
  }
}

async function consoleOf(job: Job, options: RunOptions, input: ConsoleInput): Promise<JobConsole> {
  if (!options.json) return consoleFor(job, options, input);
  const { JsonConsole } = await import("./jsonConsole.ts");
  const { interrupts } = input;
  return new JsonConsole({
    verbose: options.verbose,
    onOutputFailure: (failure) => interrupts.requestStop(describeFailure(failure)),
  });
}

/** Makes the console that shows a run to a person. `run --learn` wraps it. */
export function consoleFor(
  job: Job,
  { raw, verbose }: Pick<RunOptions, "raw" | "verbose">,
  { interrupts, labelOf }: ConsoleInput,
): RunConsole {
  const labels = job.groups.flatMap((group) =>
    Array.from({ length: group.count }, (_, index) =>
      group.tasks.map(({ name }) => taskLabel(group, index, name)),
    ).flat(),
  );
  // If the output of a single task goes to a file or pipe, its lines get no prefix.
  const isPiped = labels.length === 1 && !process.stdout.isTTY;
  return new RunConsole({
    labels,
    labelOf,
    raw,
    named: !raw && !isPiped,
    verbose,
    onOutputFailure: (failure) => interrupts.requestStop(describeFailure(failure)),
  });
}

function describeFailure(failure: OutputFailure): string {
  const { errno } = failure;
  if (errno === "EPIPE") return "the reader of the output has gone";
  return `${streamName(failure)} cannot be written (${errnoText(errno)})`;
}

function warnOfLeftovers(console: JobConsole): void {
  const { leftovers } = findLeftovers(workParent);
  if (leftovers.length === 0) return;
  for (const each of leftovers) console.warn(leftoverSentence(each, Date.now()));
  console.note("To remove what killed runs left: nomad-driver-exec2 clean");
}

function notices({ groups, ignored }: Job, { upstreams }: JobFile): string[] {
  const none = groups.filter(({ count }) => count === 0);
  const unknown = groups.flatMap((group) =>
    group.upstreams.filter(({ name }) => upstreams[name] === undefined),
  );
  return [
    ...(ignored.length > 0 ? [`ignored in a local run: ${ignored.join(", ")}`] : []),
    ...none.map(({ name }) => `group ${name}: count is 0, nothing to run`),
    ...unknown.map(
      ({ name, port }) =>
        `upstream ${name}: nothing listens on 127.0.0.1:${port}; --upstream ${name}=HOST:PORT gives its address`,
    ),
  ];
}

/**
 * The first exit code that is not 0, or else 0. Ignores tasks that were stopped because their group no longer
 * needed them.
 */
export function exitCodeOf(outcomes: readonly TaskOutcome[]): number {
  return endOf(outcomes).exitCode;
}

function endOf(outcomes: readonly TaskOutcome[]): RunEnd {
  const own = outcomes.filter(({ dismissed }) => !dismissed).toSorted((a, b) => a.endedAt - b.endedAt);
  const failed = own.find(({ exitCode }) => exitCode !== 0);
  if (failed === undefined) return { exitCode: 0, reason: "all tasks have succeeded" };
  return { exitCode: failed.exitCode, reason: `${failed.label} ${failed.end}` };
}
