/** Runs of a job for `run --learn` and `why --prove`. Each remembers how it ended, what it printed, and what its tasks used. */
import type { Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { RUNNER_FAILED } from "../../../base/taskEnd.ts";
import type { Observer } from "../../../learn/observe/observer.ts";
import { type WatchedTask, WatchedTasks } from "../../../learn/watchedTasks.ts";
import type { Job } from "../../../localAgent/jobspec/job.ts";
import type { JobFile } from "../../../localAgent/jobspec/jobFile.ts";
import type { RunNews } from "../../../localAgent/task/localRun.ts";
import type { StoredEvent } from "../../../store/eventStore.ts";
import type { JobConsole } from "./runConsole.ts";
import { type ConsoleInput, consoleFor, exitCodeOf, JobRunner, type RunOptions } from "./runJob.ts";

export interface Trial {
  readonly exitCode: number;
  /** From the preparation of its first task to the end of its last one. */
  readonly milliseconds: number;
  /** Whether the run was stopped, by a person or by its time limit. */
  readonly stopped: boolean;
  /** The beginning of the tasks' output, by task and stream, including empty streams. */
  readonly printed: ReadonlyMap<string, string>;
  readonly failures: readonly unknown[];
  readonly tasks: readonly WatchedTask[];
}

/** Whether two trials ended in the same way. */
export function isSame(one: Trial, other: Trial): boolean {
  return one.exitCode === other.exitCode && one.stopped === other.stopped;
}

/** Thrown if a person has stopped a trial whose output is not shown. */
export class Interrupted extends Error {}

interface TrialsInput {
  readonly path: string;
  readonly file: JobFile;
  /** Undefined if no trial is to be watched. */
  readonly observer?: Observer;
  readonly options: RunOptions;
}

interface TrialOptions {
  /** Whether the tasks' output is shown. */
  readonly shown: boolean;
  /** Whether the tasks are observed. */
  readonly watched: boolean;
  /** Time after which the tasks are stopped; undefined if they end by themselves. */
  readonly stopAfterMs: number | undefined;
}

/** Trials that follow one another with the same plugin options, so that one plugin serves all of them. */
export class Trials {
  readonly #input: TrialsInput;
  readonly #runner: JobRunner;

  private constructor(input: TrialsInput, runner: JobRunner) {
    this.#input = input;
    this.#runner = runner;
  }

  /**
   * @param isRecorded whether the histories of the runs stay
   * @throws DriverError `RUN_FOLDER_UNUSABLE`
   */
  static async open(
    { options, ...input }: TrialsInput,
    pluginConfig: RunOptions["pluginConfig"],
    { isRecorded }: { readonly isRecorded: boolean },
  ): Promise<Trials> {
    const own = { ...options, pluginConfig, keep: false };
    const runner = await JobRunner.open({ path: input.path, options: own }, !isRecorded);
    return new Trials({ ...input, options: own }, runner);
  }

  /**
   * @throws DriverError if no task could be started
   * @throws Interrupted
   */
  async run(job: Job, { shown, watched, stopAfterMs }: TrialOptions): Promise<Trial> {
    const { path, file, observer, options } = this.#input;
    const tasks = new WatchedTasks(watched ? observer : undefined);
    const done = new AbortController();
    let console: LearnConsole | undefined;
    let input: ConsoleInput | undefined;
    let began: number | undefined;
    const outcomes = await this.#runner.run({
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

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#runner[Symbol.asyncDispose]();
  }
}

const timeIsUp = "the time is up";

async function stopAfter(ms: number, { interrupts }: ConsoleInput, done: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal: done }).catch(() => undefined);
  if (!done.aborted) interrupts.requestStop(timeIsUp);
}

const maxLength = 2 ** 20;

/** Remembers the output and the failures of tasks, and passes both on to another console, if there is one. */
class LearnConsole implements JobConsole {
  readonly #shown: JobConsole | undefined;
  readonly #printed = new Map<string, string>();
  readonly failures: unknown[] = [];

  constructor(shown: JobConsole | undefined) {
    this.#shown = shown;
  }

  /** @param names ids and folders, which differ between runs; `…` replaces them */
  printed(names: readonly string[]): ReadonlyMap<string, string> {
    const plain = (text: string) => names.reduce((rest, name) => rest.replaceAll(name, "…"), text);
    return new Map([...this.#printed].map(([stream, text]) => [stream, plain(text)]));
  }

  tell(news: RunNews, text: string): void {
    this.#shown?.tell(news, text);
  }

  note(text: string): void {
    this.#shown?.note(text);
  }

  warn(text: string): void {
    this.#shown?.warn(text);
  }

  fail(thrown: unknown): void {
    this.failures.push(thrown);
    this.#shown?.fail(thrown);
  }

  pluginLog(line: string): void {
    this.#shown?.pluginLog(line);
  }

  pluginReady(): void {
    this.#shown?.pluginReady();
  }

  readonly event = (event: StoredEvent): void => this.#shown?.event(event);

  async show(label: string, source: Readable, stream: "stdout" | "stderr"): Promise<void> {
    const key = `${label} ${stream}`;
    this.#printed.set(key, "");
    source.on("data", (chunk: Buffer) => {
      const text = this.#printed.get(key) ?? "";
      if (text.length < maxLength) this.#printed.set(key, text + chunk.toString("latin1"));
    });
    if (this.#shown !== undefined) return this.#shown.show(label, source, stream);
    await new Promise<void>((resolve) => source.once("close", () => resolve()));
  }
}
