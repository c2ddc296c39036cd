/**
 * Log files that the driver's loggers write, as logger.ts plans them: a process beside the run's init moves what
 * the task writes into a file, and records where it is. It may be killed. What waits in the pipe is lost only if
 * init ends meanwhile.
 */
import { constants } from "node:os";
import { LOG_RECORD_BYTES, type Logger, loggerState, newStream } from "../../src/effects/logs/logger.ts";
import { identityRecord } from "../../src/effects/plan/plan.ts";
import { Fifo, File, type Kernel, type Process, type RunTruth } from "./kernel.ts";

const { SIGKILL } = constants.signals;

/** As much as a pipe holds before its writer waits. */
const pipeBytes = 4_096;

/** The output of one start. */
export interface Output {
  readonly run: RunTruth;
  readonly allocDir: string;
  /** Bytes that the task has written so far. */
  written: number;
  /** Those of them that are in the pipe. */
  waiting: number;
  /** Whether a task may still write. */
  isOpen: boolean;
  /** The logger that has the lock. */
  logger: Process | undefined;
  /** When one of its loggers has recorded itself. Until then the driver cannot end it. */
  recordedAt: number;
  /** Number of its loggers that have yet to open its files. Until then they seem not to be there. */
  beginning: number;
  /** Bytes of the driver's lines that were added meanwhile: what such a logger writes stands behind them. */
  lateLines: number;
  /** Whether one of its loggers was killed. */
  wasKilled: boolean;
  /** Called when there is more to do for the logger. */
  onChange: () => void;
}

export class Loggers {
  /** By the folders of the starts. */
  readonly outputs = new Map<string, Output>();
  /** Called if the driver kills a logger whose task runs. */
  onWrongKill: (run: RunTruth) => void = () => undefined;
  readonly #kernel: Kernel;
  /** Sizes of the log files, by the folders of their allocations. */
  readonly #sizes = new Map<string, number>();
  /** The last lines that the driver has added, if nothing follows. */
  readonly #lastLines = new Map<string, string>();

  /** @param allocDirOf the folder of the task's allocation; undefined if its agent collects the output */
  constructor(kernel: Kernel, allocDirOf: (taskId: string) => string | undefined) {
    this.#kernel = kernel;
    kernel.onBegin = (run, runFolder) => {
      const allocDir = allocDirOf(run.taskId);
      if (allocDir === undefined) return;
      const output: Output = {
        ...{ run, allocDir, written: 0, waiting: 0, isOpen: true, logger: undefined },
        ...{ recordedAt: Number.POSITIVE_INFINITY, beginning: 0, lateLines: 0, wasKilled: false },
        onChange: () => undefined,
      };
      this.outputs.set(runFolder, output);
      const first = this.start(runFolder, { stdout: newStream, stderr: newStream }, () => undefined);
      // The first process of a launch has the FIFO before it forks init.
      const fifo = kernel.files.get(`${runFolder}/logger`);
      if (first !== undefined && fifo instanceof Fifo) kernel.hold(first, fifo);
    };
    kernel.onProgram = (run, then) => {
      const output = this.#of(run);
      const { random } = kernel.scheduler;
      if (output === undefined) return;
      const write = (left: number) => {
        const bytes = 1 + random.below(5_000);
        output.written += bytes;
        output.waiting += bytes;
        output.onChange();
        if (left > 1) then(random.below(800), "writes more", () => write(left - 1));
      };
      const times = random.pick([0, 1, 5, 20]);
      if (times > 0) then(random.below(50), "writes", () => write(times));
    };
    kernel.isBlocked = (run) => (this.#of(run)?.waiting ?? 0) > pipeBytes;
    kernel.onEnd = (run) => {
      const output = this.#of(run);
      if (output === undefined) return;
      output.isOpen = false;
      output.onChange();
    };
  }

  sizeOf(allocDir: string): number {
    return this.#sizes.get(allocDir) ?? 0;
  }

  /** Adds a line of the driver's to a log file. @param repeats whether also after the same line */
  addLine(allocDir: string, line: string, repeats: boolean): void {
    if (!repeats && this.#lastLines.get(allocDir) === line) return;
    this.#sizes.set(allocDir, this.sizeOf(allocDir) + line.length);
    this.#lastLines.set(allocDir, line);
    for (const output of this.outputs.values())
      if (output.allocDir === allocDir && output.beginning > 0) output.lateLines += line.length;
  }

  /** Somebody kills a logger. */
  killOne(): void {
    const loggers = [...this.outputs.values()].flatMap(({ logger }) => logger ?? []);
    if (loggers.length === 0) return;
    const logger = this.#kernel.scheduler.random.pick(loggers);
    this.#kernel.scheduler.note(`the logger ${logger.pid} is killed`);
    this.#kernel.signal(logger, SIGKILL, false);
  }

  /** Starts a logger. @param then called once it works, or has found that another one does, or has failed */
  start(runFolder: string, streams: Logger["streams"], then: () => void): Process | undefined {
    const kernel = this.#kernel;
    const output = this.outputs.get(runFolder);
    if (output === undefined) {
      then();
      return undefined;
    }
    const process = kernel.startProcess("exec2-logger");
    let isOver = false;
    let reported = false;
    let hasOpened = false;
    output.beginning += 1;
    const opened = () => {
      if (!hasOpened) output.beginning -= 1;
      hasOpened = true;
    };
    const report = () => {
      if (!reported) then();
      reported = true;
    };
    const next = (what: string, step: () => void) =>
      kernel.after(kernel.scheduler.latency(), `logger ${process.pid}: ${what}`, () => isOver || step());
    const exit = () => {
      isOver = true;
      opened();
      if (output.logger === process) output.logger = undefined;
      kernel.remove(process);
      report();
    };
    process.onSignal = (signal, byDriver) => {
      if (signal !== SIGKILL || isOver) return;
      if (byDriver && output.run.end === undefined && output.run.executed) this.onWrongKill(output.run);
      output.wasKilled ||= output.logger === process;
      exit();
    };
    next("opens its files", () => {
      const fifo = kernel.files.get(`${runFolder}/logger`);
      const file = kernel.files.get(`${runFolder}/log`) ?? new File();
      // The lock of the record.
      if (!(fifo instanceof Fifo && file instanceof File) || output.logger !== undefined) return exit();
      kernel.files.set(`${runFolder}/log`, file);
      output.logger = process;
      opened();
      kernel.hold(process, fifo);
      const begin = streams.stdout.beginBytes ?? this.sizeOf(output.allocDir);
      const record = (ended: boolean) => {
        const stdout = { ...newStream, beginBytes: begin, endBytes: this.sizeOf(output.allocDir), ended };
        kernel.write(file, recordOf(process, { stdout, stderr: { ...newStream, beginBytes: 0, ended } }));
      };
      record(false);
      output.recordedAt = Math.min(output.recordedAt, kernel.scheduler.now);
      report();
      const look = () => {
        output.onChange = () => undefined;
        if (output.waiting > 0)
          next("moves output", () => {
            this.#sizes.set(output.allocDir, this.sizeOf(output.allocDir) + output.waiting);
            this.#lastLines.delete(output.allocDir);
            output.waiting = 0;
            look();
          });
        else if (!output.isOpen)
          next("ends", () => {
            record(true);
            exit();
          });
        else output.onChange = look;
      };
      look();
    });
    return process;
  }

  #of(run: RunTruth): Output | undefined {
    return [...this.outputs.values()].find((output) => output.run === run);
  }
}

/** As logger.ts lays a stream of the record out. */
const [streamBytes, endedAt] = [128, 56];

function recordOf(process: Process, streams: Logger["streams"]): Buffer {
  const record = Buffer.alloc(LOG_RECORD_BYTES);
  record.write(process.stat, identityRecord.tagBytes);
  const state = loggerState({
    ...{ name: "exec2-logger", recordFile: "", aliveFifo: "", base: "main", maxFiles: 1, maxFileBytes: 1 },
    bytesPerSecond: 0,
    streams,
  });
  const view = new DataView(state.buffer);
  // A logger begins with streams that have not ended, so its initial state has no such field.
  for (const [index, { ended }] of [streams.stdout, streams.stderr].entries())
    view.setBigInt64(index * streamBytes + endedAt, ended ? 1n : 0n, true);
  record.set(state.subarray(0, LOG_RECORD_BYTES - identityRecord.bytes), identityRecord.bytes);
  return record;
}
