/**
 * The output of a run that the driver takes. Its logger writes log files, or its relay passes it to journald: a
 * process beside the run's init, which needs no plugin. The plugin watches it: it starts another if it is killed,
 * records what was lost or waits, and waits at the end of the run until everything is written.
 */
import { closeSync, type FSWatcher, watch } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { hasErrno, messageOf } from "../../base/errors.ts";
import { waitForRunExit } from "../../effects/cgroup/cgroupEnd.ts";
import { errnoName } from "../../effects/kernel/kernelError.ts";
import { pipeFill } from "../../effects/kernel/libc.ts";
import { destinationOf } from "../../effects/logs/destination.ts";
import { connectJournal } from "../../effects/logs/journalSocket.ts";
import {
  addOwnLine,
  type LogPlace,
  type LogPosition,
  logPlaces,
  openOwnLogs,
} from "../../effects/logs/logFiles.ts";
import type { LogRecord } from "../../effects/logs/logger.ts";
import {
  pipeOfRelay,
  readEndsOf,
  readLogRecord,
  readRelayRecord,
  startLogger,
  startRelay,
} from "../../effects/logs/loggerStart.ts";
import { tellCut } from "../../effects/logs/logPipes.ts";
import { loggerOf, relayOf, streamsFrom } from "../../effects/logs/runCollector.ts";
import { isSameProcess, type ProcessIdentity } from "../../effects/processes/processIdentity.ts";
import { killProcess } from "../../effects/processes/signals.ts";
import { runFiles, watchExit } from "../../effects/run/runFiles.ts";
import type { EventData } from "../../machines/events.ts";
import type { TaskContext } from "../../machines/taskContext.ts";
import { GrowingPauses } from "../history/growingPauses.ts";
import type { RecordedTask } from "../history/recordedTask.ts";
import { delegatedCgroups } from "../history/startEvents.ts";
import { retrying } from "../retry.ts";
import type { RunGround, RunPart } from "../runPart.ts";
import type { DriverServices } from "../services.ts";
import { removeDelegated } from "./runEnd.ts";

/** Milliseconds that a logger gets at the end of its run. What is left in the pipes takes it a few. */
const drainMs = 2_000;

/** Milliseconds until another logger is started for a run whose loggers are killed again and again. */
const retryMs = 1_000;

type OutputServices = Pick<DriverServices, "folder" | "log">;

type Ground = Pick<RunGround<OutputServices>, "task" | "services" | "watching">;

export class RunOutput implements RunPart {
  readonly #ground: Ground;
  readonly #task: RecordedTask;
  readonly #pauses = new GrowingPauses(() => void this.#recordLoss());
  #watcher: FSWatcher | undefined;
  /** Resolves once a logger that was killed is replaced. */
  #replacing: Promise<void> = Promise.resolve();
  /** Why no relay can be started; undefined if one can, or need not. */
  #refusal: string | undefined;
  /** The pipe of a run without a relay, so that what is in it outlives the run's init. */
  #waiting: number | undefined;
  #recordingWait = false;
  #recordsHold = false;
  #services: OutputServices | undefined;

  constructor(ground: Ground) {
    this.#ground = ground;
    this.#task = ground.task;
  }

  /**
   * Begins to watch the logger of a run that is alive according to the events. Does nothing if the agent collects
   * the output, as it does for runs that began in its mode.
   */
  begin(): void {
    const { watching } = this.#ground;
    const services = this.#ground.services();
    this.#services = services;
    const { context } = this.#task.snapshot;
    const run = collectedRun(context);
    if (run === undefined) return;
    this.#watchRecord(run.files.logRecord);
    watching.add(() => this.#close());
    // A task whose logger is killed and not replaced waits for ever once its pipe is full.
    const retry = retrying(() => services.log, this.#task.id, "the output of a task cannot be watched yet");
    void retry(
      () => this.#keepLogger(services),
      () => watching.closed,
    );
  }

  /** Waits until the output of a run that has ended is written, and records what was lost. */
  async end(): Promise<EventData<"exited">["output"]> {
    await this.#replacing;
    const unsent = await this.#sendWaiting();
    const mayWrite = () => !this.#ground.watching.closed;
    const { output, lostBytes } = await endOutput(this.#task.snapshot.context, mayWrite);
    this.#close();
    await this.#recordLoss(unsent + lostBytes);
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
    try {
      const record = this.#record();
      void this.#recordHold(record);
      if (this.#lossIn(record) !== undefined) this.#pauses.ask();
    } catch {
      // The host is short of something. The next change of the record, or the end of the run, shows the loss.
    }
    void this.#recordWait();
  }

  /** Records that journald takes no output, and that it does again. */
  async #recordWait(): Promise<void> {
    if (this.#recordingWait) return;
    this.#recordingWait = true;
    try {
      for (
        let waits = this.#waits();
        waits !== this.#task.snapshot.context.output.waits;
        waits = this.#waits()
      )
        await this.#task.record("outputWaits", { waits });
    } catch {
      // The task is over.
    } finally {
      this.#recordingWait = false;
    }
  }

  /** Records once that output has waited for the logger's rate. */
  async #recordHold(record: LogRecord | undefined): Promise<void> {
    const { context } = this.#task.snapshot;
    if (record?.held !== true || context.output.held || this.#recordsHold) return;
    this.#recordsHold = true;
    const bytesPerSecond = ownRun(context)?.bounds.bytesPerSecond;
    await this.#task.record("outputWaits", { waits: true, bytesPerSecond }).catch(() => undefined);
  }

  #waits(): boolean {
    const run = relayedRun(this.#task.snapshot.context);
    if (run === undefined) return false;
    return this.#refusal !== undefined || readRelayRecord(run.files.logRecord)?.state === "stalled";
  }

  #record(): LogRecord | undefined {
    const run = ownRun(this.#task.snapshot.context);
    return run && readLogRecord(run.files.logRecord);
  }

  /** What was lost and is not recorded yet. */
  #lossIn(record: LogRecord | undefined): EventData<"outputLost"> | undefined {
    const found = lossIn(record);
    const { lost } = this.#task.snapshot.context.output;
    const isKnown = found?.stdout === (lost?.stdout ?? 0) && found?.stderr === (lost?.stderr ?? 0);
    return isKnown ? undefined : found;
  }

  /** @param relayedBytes what the relay of the run has lost */
  async #recordLoss(relayedBytes = 0): Promise<void> {
    const relayed = relayedBytes > 0 ? { stdout: relayedBytes, stderr: 0, errno: null } : undefined;
    const record = this.#record();
    await this.#recordHold(record);
    const loss = this.#lossIn(record) ?? relayed;
    if (loss !== undefined) await this.#task.record("outputLost", loss).catch(() => undefined);
  }

  /** Starts another logger whenever the run's logger was killed. */
  async #keepLogger(services: OutputServices): Promise<void> {
    const { watching } = this.#ground;
    for (;;) {
      const { context } = this.#task.snapshot;
      const run = collectedRun(context);
      if (run === undefined || context.process === null) return;
      const exit = watchExit(run.files.loggerAlive);
      watching.add(exit.cancel);
      await exit.ended;
      const isOver = watching.closed || !isSameProcess(context.process.init);
      if (isOver || hasAll(context)) return;
      this.#replacing = this.#replace(services);
      await this.#replacing;
      await delay(retryMs, undefined, { ref: false });
    }
  }

  /** Never rejects. */
  async #replace(services: OutputServices): Promise<void> {
    const { context } = this.#task.snapshot;
    try {
      const isRelayed = relayedRun(context) !== undefined;
      const logger = await (isRelayed ? this.#startRelay(services) : startAnother(context, services));
      this.#refusal = undefined;
      if (logger !== undefined) await this.#task.record("loggerReplaced", { logger });
    } catch (thrown) {
      const error = messageOf(thrown);
      // It is tried each second.
      if (error !== this.#refusal)
        services.log.error("no logger can be started for a task", { task_id: this.#task.id, error });
      this.#refusal = error;
    }
    this.#look();
  }

  /** Keeps the pipe until a relay has it. Otherwise as {@link startAnother}. */
  async #startRelay({ folder }: Pick<OutputServices, "folder">): Promise<ProcessIdentity | null | undefined> {
    const { context } = this.#task.snapshot;
    const run = relayedRun(context);
    if (run === undefined || context.process === null) return undefined;
    this.#waiting ??= pipeOf(context.process.init);
    const pipe = this.#waiting;
    if (pipe === undefined) return undefined;
    const { files, request, stream } = run;
    const { cgroup } = request.resources;
    const logFolder = connectJournal(stream, cgroup);
    try {
      const place = delegatedCgroups(context)?.init ?? cgroup;
      await startRelay(relayOf(request, files), { stdoutRead: pipe, logFolder }, place, folder.run);
    } finally {
      closeSync(logFolder);
    }
    this.#closeWaiting();
    return readRelayRecord(files.logRecord)?.relay ?? null;
  }

  /** @returns bytes that wait at the end of a run and that journald does not take */
  async #sendWaiting(): Promise<number> {
    if (this.#waiting === undefined || this.#services === undefined) return 0;
    try {
      await this.#startRelay(this.#services);
      return 0;
    } catch {
      return this.#waiting === undefined ? 0 : pipeFill(this.#waiting).bytes;
    } finally {
      this.#closeWaiting();
    }
  }

  #closeWaiting(): void {
    if (this.#waiting !== undefined) closeSync(this.#waiting);
    this.#waiting = undefined;
  }

  #close(): void {
    this.#closeWaiting();
    this.#watcher?.close();
    this.#watcher = undefined;
    this.#pauses.stop();
  }
}

/**
 * Waits until the logger of a run that has ended has written what was left in the pipes. A logger that does not
 * end in time is killed, because the next run's goes on in the same files: somebody outside of the run may have
 * got one of its pipes, or the disk does not answer.
 * @param mayWrite whether this process may still add a line to the output: the files of the run, and its record, may be
 *   another run's once the next plugin process has the state folder
 */
export async function endOutput(context: TaskContext, mayWrite = () => true): Promise<OutputEnd> {
  const relayed = relayedRun(context);
  if (relayed !== undefined) {
    const lostBytes = await endRelay(relayed, mayWrite);
    await removeDelegated(context);
    return { output: null, lostBytes };
  }
  const run = ownRun(context);
  if (run === undefined) return { output: null, lostBytes: 0 };
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
    const marked = ended || !isGone || !mayWrite() ? undefined : markCut(places[stream]);
    return marked ?? { file: index, bytes: endBytes };
  };
  const output = { stdout: endIn("stdout"), stderr: endIn("stderr"), complete: isComplete(record) };
  return { output, lostBytes: 0 };
}

interface OutputEnd {
  /** Where the run's output ends in its log files; null if the driver does not write them. */
  readonly output: EventData<"exited">["output"];
  /** Bytes that a relay could not pass on. What a logger could not is in its record. */
  readonly lostBytes: number;
}

/**
 * Waits until the relay of a run that has ended has left the task's cgroup, which the agent then removes.
 * @returns bytes that journald did not take in time
 */
async function endRelay({ request, files }: RelayedRun, mayWrite: () => boolean): Promise<number> {
  const isGone = await hasEnded(files.loggerAlive);
  const { relay, state } = readRelayRecord(files.logRecord) ?? {};
  if (relay === undefined) return 0;
  // It was killed, and nobody knows how much was in the pipe, which has ended with the run.
  if (isGone && state !== "drained" && mayWrite()) tellCut(request);
  let lost = 0;
  if (!isGone) {
    const pipe = pipeOfRelay(relay);
    if (pipe !== undefined) {
      lost = pipeFill(pipe).bytes;
      closeSync(pipe);
    }
    killProcess(relay);
  }
  await waitForRunExit(request.resources.cgroup, relay);
  return lost;
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

/**
 * Whether a logger has ended within {@link drainMs}.
 * @throws DriverError `KERNEL_CALL_FAILED` if the host does not let this process look
 */
async function hasEnded(loggerAlive: string): Promise<boolean> {
  let exit: ReturnType<typeof watchExit>;
  try {
    exit = watchExit(loggerAlive);
  } catch (thrown) {
    // The run's folder is gone: a start that was given up.
    if (hasErrno(thrown, "ENOENT")) return true;
    throw thrown;
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

/** The pipe from which a relay reads; undefined if init has ended. */
function pipeOf(init: ProcessIdentity): number | undefined {
  const ends = readEndsOf(init);
  if (ends === undefined) return undefined;
  // With a relay, both streams are one pipe.
  closeSync(ends.stderrRead);
  return ends.stdoutRead;
}

/** A run whose output journald takes. */
function relayedRun({ request, sandbox }: TaskContext) {
  if (request === null || sandbox === null) return undefined;
  const output = destinationOf(request);
  if (output.to !== "journald") return undefined;
  return { request, stream: output.stream, files: runFiles(sandbox.runFolder) };
}

type RelayedRun = NonNullable<ReturnType<typeof relayedRun>>;

/** A run whose output a process of the driver's takes. */
function collectedRun(context: TaskContext): Pick<RelayedRun, "files"> | undefined {
  return ownRun(context) ?? relayedRun(context);
}

/** Whether that process has taken all. */
function hasAll(context: TaskContext): boolean {
  const relayed = relayedRun(context);
  if (relayed !== undefined) return readRelayRecord(relayed.files.logRecord)?.state === "drained";
  const own = ownRun(context);
  return own !== undefined && isComplete(readLogRecord(own.files.logRecord));
}

/** A run whose log files the driver writes. */
function ownRun({ request, sandbox }: TaskContext) {
  if (request === null || sandbox === null) return undefined;
  const output = destinationOf(request);
  if (output.to !== "files") return undefined;
  return { request, bounds: output.bounds, files: runFiles(sandbox.runFolder) };
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
