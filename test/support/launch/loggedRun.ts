/** Launches tasks whose output a logger writes to files. Needs root. */
import { chmodSync, closeSync, fchownSync, mkdirSync, openSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { mkfifo, pipe2 } from "../../../src/effects/kernel/libc.ts";
import {
  type LaunchDescriptors,
  type Launched,
  PendingLaunch,
} from "../../../src/effects/launch/launcher.ts";
import { type Logger, type LogRecord, newStream } from "../../../src/effects/logs/logger.ts";
import { readEndsOf, readLogRecord, startLogger } from "../../../src/effects/logs/loggerStart.ts";
import { watchExit } from "../../../src/effects/run/runFiles.ts";
import { TestRun, taskUid } from "./launchRun.ts";
import { launch } from "./wholeLaunch.ts";

type Stream = "stdout" | "stderr";

/** A run with a logger, and its log files. */
export class LoggedRun extends TestRun {
  readonly logs: string;
  readonly logger: Logger;

  /** @param options differences from two files of 1 MiB that begin with index 0, in the run's folder */
  constructor(options: Partial<Logger> & { readonly logs?: string } = {}) {
    super(["/"]);
    const { logs = join(this.folder, "logs"), ...others } = options;
    this.logs = logs;
    // The task can write there, as in an allocation with writable_logs.
    chmodSync(this.folder, 0o711);
    mkdirSync(logs, { recursive: true });
    chmodSync(logs, 0o777);
    this.logger = {
      name: "exec2-log: 01234567/t",
      recordFile: join(this.folder, "log"),
      aliveFifo: join(this.folder, "logger"),
      base: "t",
      maxFiles: 1000,
      maxFileBytes: 2 ** 20,
      bytesPerSecond: 0,
      streams: { stdout: newStream, stderr: newStream },
      ...others,
    };
    mkfifo(this.logger.aliveFifo, 0o600);
  }

  /** Starts a shell script as the task. */
  async startLogged(script: string): Promise<Launched> {
    using opened = new DisposableStack();
    const { plan, descriptors } = this.#prepare(script, opened);
    return this.adopt(await launch(plan, descriptors));
  }

  /** Begins a launch, and gives it up. */
  async abandonLogged(): Promise<void> {
    using opened = new DisposableStack();
    const { plan, descriptors } = this.#prepare("echo never", opened);
    const pending = new PendingLaunch(plan, descriptors);
    await pending.init();
    await pending.abandon();
  }

  #prepare(script: string, opened: DisposableStack) {
    const adopt = (descriptor: number) => opened.adopt(descriptor, closeSync);
    const [stdout, stderr] = [pipe2(), pipe2()];
    for (const { read, write } of [stdout, stderr]) {
      adopt(read);
      fchownSync(adopt(write), taskUid, taskUid);
    }
    const descriptors: LaunchDescriptors = {
      ...this.descriptors,
      ...{ stdout: stdout.write, stderr: stderr.write },
      output: {
        ...{ stdoutRead: stdout.read, stderrRead: stderr.read },
        logFolder: adopt(openSync(this.logs, "r")),
      },
    };
    const plan = this.plan({ logger: this.logger, command: "/bin/sh", args: ["-c", script] });
    return { plan, descriptors };
  }

  /** Starts another logger after the first was killed. */
  async startAgain({ init }: Launched): Promise<void> {
    using opened = new DisposableStack();
    const ends = readEndsOf(init);
    if (ends === undefined) throw new Error("init has exited");
    for (const descriptor of Object.values(ends)) opened.adopt(descriptor, closeSync);
    const logFolder = opened.adopt(openSync(this.logs, "r"), closeSync);
    const { stdout, stderr } = this.record() ?? this.logger.streams;
    await startLogger({ ...this.logger, streams: { stdout, stderr } }, { ...ends, logFolder }, undefined);
  }

  record(): LogRecord | undefined {
    return readLogRecord(this.logger.recordFile);
  }

  /** Resolves once the logger has ended. */
  logged(): Promise<void> {
    return watchExit(this.logger.aliveFifo).ended;
  }

  /** Indexes of a stream's files, in order. */
  indexes(stream: Stream): number[] {
    const prefix = `${this.logger.base}.${stream}.`;
    const names = readdirSync(this.logs).filter((name) => name.startsWith(prefix));
    return names.map((name) => Number(name.slice(prefix.length))).sort((a, b) => a - b);
  }

  file(stream: Stream, index: number): string {
    return join(this.logs, `${this.logger.base}.${stream}.${index}`);
  }

  /** The content of all of a stream's files. */
  logContent(stream: Stream): Buffer {
    return Buffer.concat(this.indexes(stream).map((index) => readFileSync(this.file(stream, index))));
  }
}
