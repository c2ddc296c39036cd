/**
 * The output of a run whose log files the driver writes. Its logger, a process beside the run's init, needs no
 * plugin. The plugin watches it: it starts another if the logger is killed, records what was lost, and waits at
 * the end of the run until everything is written.
 */
import { closeSync, type FSWatcher, watch } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import type { Subscription } from "rxjs";
import { messageOf } from "../../base/errors.ts";
import { errnoName } from "../../effects/kernel/kernelError.ts";
import { loggerOf, streamsFrom } from "../../effects/launch/sandbox.ts";
import {
  addOwnLine,
  type LogPlace,
  type LogPosition,
  logPlaces,
  openOwnLogs,
} from "../../effects/logs/logFiles.ts";
import type { LogRecord } from "../../effects/logs/logger.ts";
import { readEndsOf, readLogRecord, startLogger } from "../../effects/logs/loggerStart.ts";
import { isSameProcess, type ProcessIdentity } from "../../effects/processes/processIdentity.ts";
import { killProcess } from "../../effects/processes/signals.ts";
import { runFiles, watchExit } from "../../effects/run/runFiles.ts";
import type { EventData } from "../../machines/events.ts";
import type { TaskContext } from "../../machines/taskContext.ts";
import { GrowingPauses } from "../history/journal.ts";
import type { RecordedTask } from "../history/recordedTask.ts";
import type { DriverServices } from "../services.ts";

/** Milliseconds that a logger gets at the end of its run. What is left in the pipes takes it a few. */
const drainMs = 2_000;

/** Milliseconds until another logger is started for a run whose loggers are killed again and again. */
const retryMs = 1_000;

type OutputServices = Pick<DriverServices, "folder" | "log">;

export class RunOutput {
  readonly #task: RecordedTask;
  readonly #pauses = new GrowingPauses(() => void this.#recordLoss());
  #watcher: FSWatcher | undefined;
  /** Resolves once a logger that was killed is replaced. */
  #replacing: Promise<void> = Promise.resolve();

  constructor(task: RecordedTask) {
    this.#task = task;
  }

  /**
   * Begins to watch the logger of a run that is alive according to the events. Does nothing if the agent collects
   * the output, as it does for runs that began in its mode.
   * @param watching ends the watch when it is unsubscribed
   */
  begin(services: OutputServices, watching: Subscription): void {
    const { context } = this.#task.snapshot;
    const run = ownRun(context);
    if (run === undefined) return;
    this.#watchRecord(run.files.logRecord);
    watching.add(() => this.#close());
    void this.#keepLogger(services, watching).catch((thrown: unknown) =>
      services.log.error("the output of a task cannot be watched", {
        task_id: this.#task.id,
        error: messageOf(thrown),
      }),
    );
  }

  /** Waits until the output of a run that has ended is written, and records what was lost. */
  async end(): Promise<EventData<"exited">["output"]> {
    await this.#replacing;
    const output = await endOutput(this.#task.snapshot.context);
    this.#close();
    await this.#recordLoss();
    return output;
  }

  #watchRecord(path: string): void {
    try {
      this.#watcher = watch(path, { persistent: false }, () => this.#look()).on("error", () => undefined);
    } catch {
      // Without a watch, a loss is recorded at the end of the run.
    }
    this.#look();
  }

  #look(): void {
    if (this.#loss() !== undefined) this.#pauses.ask();
  }

  /** What was lost and is not recorded yet. */
  #loss(): EventData<"outputLost"> | undefined {
    const { context } = this.#task.snapshot;
    const run = ownRun(context);
    const found = run && lossIn(readLogRecord(run.files.logRecord));
    const { lost } = context.output;
    const isKnown = found?.stdout === (lost?.stdout ?? 0) && found?.stderr === (lost?.stderr ?? 0);
    return isKnown ? undefined : found;
  }

  async #recordLoss(): Promise<void> {
    const loss = this.#loss();
    if (loss !== undefined) await this.#task.record("outputLost", loss).catch(() => undefined);
  }

  /** Starts another logger whenever the run's logger was killed. */
  async #keepLogger(services: OutputServices, watching: Subscription): Promise<void> {
    for (;;) {
      const { context } = this.#task.snapshot;
      const run = ownRun(context);
      if (run === undefined || context.process === null) return;
      const exit = watchExit(run.files.loggerAlive);
      watching.add(exit.cancel);
      await exit.ended;
      const isOver = watching.closed || !isSameProcess(context.process.init);
      if (isOver || isComplete(readLogRecord(run.files.logRecord))) return;
      this.#replacing = this.#replace(services);
      await this.#replacing;
      await delay(retryMs, undefined, { ref: false });
    }
  }

  /** Never rejects. */
  async #replace(services: OutputServices): Promise<void> {
    const { context } = this.#task.snapshot;
    try {
      const logger = await startAnother(context, services);
      if (logger !== undefined) await this.#task.record("loggerReplaced", { logger });
    } catch (thrown) {
      services.log.error("no logger can be started for a task", {
        task_id: this.#task.id,
        error: messageOf(thrown),
      });
    }
  }

  #close(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
    this.#pauses.stop();
  }
}

/**
 * Waits until the logger of a run that has ended has written what was left in the pipes. A logger that does not
 * end in time is killed, because the next run's goes on in the same files: somebody outside of the run may have
 * got one of its pipes, or the disk does not answer.
 * @returns where the run's output ends; null if the driver does not write the log files
 */
export async function endOutput(context: TaskContext): Promise<EventData<"exited">["output"]> {
  const run = ownRun(context);
  if (run === undefined) return null;
  const { logRecord, loggerAlive } = run.files;
  const isGone = await hasEnded(loggerAlive);
  if (!isGone) {
    const { logger } = readLogRecord(logRecord) ?? {};
    if (logger !== undefined) killProcess(logger);
  }
  const record = readLogRecord(logRecord);
  const places = logPlaces(run.request);
  const endIn = (stream: "stdout" | "stderr"): LogPosition => {
    const { index = 0, endBytes = 0, ended = false } = record?.[stream] ?? {};
    // Where a logger could not end in time, a disk may not answer this process either.
    const marked = ended || !isGone ? undefined : markCut(places[stream]);
    return marked ?? { file: index, bytes: endBytes };
  };
  return { stdout: endIn("stdout"), stderr: endIn("stderr"), complete: isComplete(record) };
}

/** What a reader of the log finds where the rest of a pipe is missing: nobody knows how much it was. */
const cutLine = "\n[exec2: the end of this output may be missing: the process that wrote it was killed]\n";

/** @returns the end of the stream; undefined if the line could not be written */
function markCut(place: LogPlace): LogPosition | undefined {
  try {
    // A plugin that dies before it has recorded the end does this once more.
    return addOwnLine(place, cutLine, { repeats: false });
  } catch {
    return undefined;
  }
}

/** Whether a logger has ended within {@link drainMs}. */
async function hasEnded(loggerAlive: string): Promise<boolean> {
  let exit: ReturnType<typeof watchExit>;
  try {
    exit = watchExit(loggerAlive);
  } catch {
    // The run's folder is gone: a start that was given up.
    return true;
  }
  const timer = new AbortController();
  const late = delay(drainMs, false, { signal: timer.signal }).catch(() => false);
  const inTime = await Promise.race([exit.ended.then(() => true), late]);
  timer.abort();
  exit.cancel();
  return inTime;
}

/** @returns the new logger, or null if it cannot be identified; undefined if the run has ended */
async function startAnother(
  context: TaskContext,
  { folder }: OutputServices,
): Promise<ProcessIdentity | null | undefined> {
  const run = ownRun(context);
  if (run === undefined || context.process === null) return undefined;
  const { files, request, bounds } = run;
  const record = readLogRecord(files.logRecord);
  using opened = new DisposableStack();
  const { folder: logFolder, begin } = openOwnLogs(request, bounds.maxFiles);
  opened.adopt(logFolder, closeSync);
  const ends = readEndsOf(context.process.init);
  if (ends === undefined) return undefined;
  for (const end of [ends.stdoutRead, ends.stderrRead]) opened.adopt(end, closeSync);
  const logger = loggerOf(request, bounds, files, record ?? streamsFrom(begin));
  await startLogger(logger, { ...ends, logFolder }, folder.run);
  return readLogRecord(files.logRecord)?.logger ?? null;
}

/** A run whose log files the driver writes. */
function ownRun({ request, sandbox }: TaskContext) {
  const bounds = request?.logBounds ?? undefined;
  if (request === null || bounds === undefined || sandbox === null) return undefined;
  return { request, bounds, files: runFiles(sandbox.runFolder) };
}

function isComplete(record: LogRecord | undefined): boolean {
  return record?.stdout.ended === true && record.stderr.ended;
}

function lossIn(record: LogRecord | undefined): EventData<"outputLost"> | undefined {
  if (record === undefined) return undefined;
  const { stdout, stderr } = record;
  if (stdout.lostBytes + stderr.lostBytes === 0) return undefined;
  const errno = stdout.errno || stderr.errno;
  return { stdout: stdout.lostBytes, stderr: stderr.lostBytes, errno: errno === 0 ? null : errnoName(errno) };
}
