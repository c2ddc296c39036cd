/**
 * The logger: a small process beside a run's init that writes the task's output into its log files. Pure.
 *
 * The first process of a launch becomes the logger once it has forked init, so it costs neither a fork nor an
 * execve(2). Its code is a part of the runner (`../plan/loggerX86.s`, `../plan/loggerArm64.s`). The task's
 * standard output and error are two pipes. The logger moves what comes out of them into the newest files by
 * splice(2). At a file's limit it begins the next one and removes the oldest. It ends at the end of both pipes.
 *
 * - It depends on nobody: the plugin and the agent may end, and start again. If it is killed, its FIFO ends,
 *   and the plugin starts another (loggerStart.ts). Meanwhile init keeps the pipes open: the task gets no
 *   SIGPIPE, and nothing in the pipes is lost. Near a file's end, where lines are kept whole, the logger looks at
 *   a copy of the output, by tee(2), before it moves it. Only on a file system without splice(2) it reads up to
 *   32 KiB at a time before it writes them, and these are lost if it is killed in between.
 * - It is in the plugin's cgroup, where the agent's collector is, too. In the task's cgroup, the files' page
 *   cache would count for the task's memory limit, and a kill of the cgroup would lose what is in the pipes.
 * - It opens nothing before the plugin's go-ahead, so an abandoned launch leaves no file.
 * - A task may be able to write to the files' folder. So the logger trusts no name there: it continues a file
 *   only if it is a regular file of root's with one link, it creates others anew, and it counts for itself.
 * - While files cannot be written, such as on a full disk, it discards output, so that the task goes on. It
 *   counts what is lost, tries again every second, and then says in a line of the log how much that was.
 * - Lines stay whole, unless one is longer than 32 KiB.
 * - It works in the plugin's cgroup, so a task could make it work without a limit. A rate bounds that: once more
 *   than a second's output has come too fast, it waits, and the task waits for its full pipe.
 * - Beside each file it notes when it wrote which part (logTimes.ts). Without that file, output has no times.
 * - It keeps only the capabilities to write to a folder that root may not write to by its mode. It can gain no
 *   other, does not parse what it moves, and no process without CAP_SYS_PTRACE can look into it.
 */
import * as k from "../kernel/constants.ts";
import { cloneArgs } from "../kernel/structs.ts";
import { closeRangeStep } from "../plan/commonSteps.ts";
import {
  bytes,
  descriptors,
  flags,
  identityRecord,
  noSteps,
  parseIdentity,
  type Step,
  shared,
  type WholePlan,
} from "../plan/plan.ts";
import { LOGGER_STATE_ADDRESS } from "../plan/table.ts";
import type { ProcessIdentity } from "../processes/processStat.ts";
import {
  becomeIndependent,
  type Collector,
  namedState,
  nameSteps,
  openLoggerFifoStep,
  openRecordStep,
  own,
  protectSteps,
  recordIdentity,
  takeStep,
  waitForRelease,
} from "./collector.ts";
import { capacityFor } from "./logTimes.ts";

/** What the logger of a run gets. */
export interface Logger extends Collector {
  /** The files are named `<base>.stdout.<index>` and `<base>.stderr.<index>`. */
  readonly base: string;
  /** Number of files of each stream that are kept. */
  readonly maxFiles: number;
  /** Size in bytes at which the next file begins. */
  readonly maxFileBytes: number;
  /** Bytes a second that it takes of both streams together, for longer than a second; 0: any. */
  readonly bytesPerSecond: number;
  /** Where it begins: {@link newStream} with the index of the newest file, or what a killed logger recorded. */
  readonly streams: Streams;
}

type Streams = Readonly<Record<"stdout" | "stderr", StreamRecord>>;

/** What a logger records of a stream: at its begin, with each new file, at a loss, and at the stream's end. */
export interface StreamRecord {
  /** Index of the current file. */
  readonly index: number;
  /** Bytes of the run in earlier files. */
  readonly finishedBytes: number;
  /** Offset in the current file at which the run's bytes begin. Null: at its end, once the file is open. */
  readonly beginBytes: number | null;
  /** Size of the current file when this was recorded. */
  readonly endBytes: number;
  /** Bytes of the run that could not be written. */
  readonly lostBytes: number;
  /** The error of the last write that failed; 0 if none has. */
  readonly errno: number;
  /** Number of files that the run has begun. */
  readonly files: number;
  /** Whether everything up to the end of the pipe is written, or counted as lost. */
  readonly ended: boolean;
}

export const newStream: StreamRecord = {
  index: 0,
  finishedBytes: 0,
  beginBytes: null,
  endBytes: 0,
  lostBytes: 0,
  errno: 0,
  files: 0,
  ended: false,
};

/** The content of a logger's record. */
export interface LogRecord extends Streams {
  /** The logger that wrote the record; undefined if it died before it could write its identity. */
  readonly logger: ProcessIdentity | undefined;
  /** Whether output has waited for the logger's rate. */
  readonly held: boolean;
}

/** @returns undefined if no logger has written its state yet */
export function parseLogRecord(content: Uint8Array): LogRecord | undefined {
  // A logger of an earlier release has no rate, and a shorter record.
  if (content.length < STATE_AT + HELD) return undefined;
  const view = new DataView(content.buffer, content.byteOffset + STATE_AT, content.length - STATE_AT);
  const word = (offset: number) => Number(view.getBigInt64(offset, true));
  if (word(2 * STREAM_BYTES) !== VERSION) return undefined;
  const stream = (at: number): StreamRecord => ({
    index: word(at + field.index),
    finishedBytes: word(at + field.finished),
    beginBytes: word(at + field.begin) === -1 ? null : word(at + field.begin),
    endBytes: word(at + field.end),
    lostBytes: word(at + field.lost),
    errno: word(at + field.errno),
    files: word(at + field.files),
    ended: word(at + field.ended) !== 0,
  });
  const held = content.length >= LOG_RECORD_BYTES && word(HELD) !== 0;
  return { logger: parseIdentity(content), held, stdout: stream(0), stderr: stream(STREAM_BYTES) };
}

/**
 * Layout of the state, which the logger's listings repeat: two streams, the version, whether output has waited,
 * the size of a file, the argument of poll(2), a time, the room for times, the names of the files, each after a dot
 * that begins the name of its times, the logger's own name, for each stream the descriptor, head and last entry of
 * the file of times, the number of files, how long a byte takes, when the output so far is due, and the next round.
 * Everything up to whether output has waited is also in the record, behind an {@link identityRecord}.
 */
const field = {
  ...{ index: 0, finished: 8, begin: 16, end: 24, lost: 32, errno: 40, files: 48, ended: 56 },
  ...{ file: 80, wanted: 88, name: 104, digits: 112 },
} as const;
const STREAM_BYTES = 128;
const [HELD, MAX_FILE_SIZE, POLLED, CAPACITY, NAMES, TIMES] = [264, 272, 280, 312, 320, 976];
const RECORDED_BYTES = HELD + 8;
const TIMES_BYTES = 48;
const [MAX_FILES, BYTE_TIME, STATE_BYTES] = [1072, 1080, 1104];
/** The unit of the time that a byte takes, so that a whole number of them is exact enough. */
const perNanosecond = 65_536;
const FILE_NAME_BYTES = 264;
const STATE_AT = identityRecord.bytes;
/** Size of a record. */
export const LOG_RECORD_BYTES = STATE_AT + RECORDED_BYTES;
const VERSION = 1;
/** Digits of the largest index, the end of the name of its times, and two terminating NULs. */
const INDEX_BYTES = 28;

const encoder = new TextEncoder();

/** The logger's initial state. */
export function loggerState(logger: Logger): Uint8Array {
  const { name, base, maxFiles, maxFileBytes, bytesPerSecond, streams } = logger;
  const state = new Uint8Array(STATE_BYTES);
  state.set(namedState(name));
  const view = new DataView(state.buffer);
  const set = (offset: number, value: number) => view.setBigInt64(offset, BigInt(value), true);
  for (const [number, kind] of (["stdout", "stderr"] as const).entries()) {
    const stream = streams[kind];
    const at = number * STREAM_BYTES;
    set(at + field.index, stream.index);
    set(at + field.finished, stream.finishedBytes);
    set(at + field.begin, stream.beginBytes ?? -1);
    set(at + field.end, stream.endBytes);
    set(at + field.lost, stream.lostBytes);
    set(at + field.errno, stream.errno);
    set(at + field.files, stream.files);
    set(at + field.file, -1);
    set(at + field.wanted, stream.index);
    const fileName = encoder.encode(`${base}.${kind}.`);
    if (1 + fileName.length + INDEX_BYTES > FILE_NAME_BYTES)
      throw new RangeError(`${base}: too long for files`);
    const nameAt = NAMES + number * FILE_NAME_BYTES + 1;
    state.set(encoder.encode("."), nameAt - 1);
    state.set(fileName, nameAt);
    set(at + field.name, LOGGER_STATE_ADDRESS + nameAt);
    set(at + field.digits, LOGGER_STATE_ADDRESS + nameAt + fileName.length);
    set(TIMES + number * TIMES_BYTES, -1);
    view.setInt32(POLLED + number * POLLED_BYTES, number, true);
    view.setInt16(POLLED + number * POLLED_BYTES + 4, k.POLLIN, true);
  }
  set(2 * STREAM_BYTES, VERSION);
  set(MAX_FILES, maxFiles);
  set(MAX_FILE_SIZE, maxFileBytes);
  set(CAPACITY, capacityFor(maxFileBytes));
  set(BYTE_TIME, bytesPerSecond === 0 ? 0 : Math.round((perNanosecond * 1e9) / bytesPerSecond));
  return state;
}

/** Size of a `struct pollfd`. */
const POLLED_BYTES = 8;

/**
 * The steps with which the first process of a launch becomes the logger.
 * @param fifo its descriptor of the FIFO
 */
export function loggerSteps({ name, recordFile }: Pick<Logger, "name" | "recordFile">, fifo: number): Step[] {
  return [
    ...takePipes,
    { name: takeStep, call: "dup3", args: [descriptors.logRelease, own.release, 0] },
    { name: takeStep, call: "dup3", args: [fifo, own.alive, 0] },
    closeRangeStep(takeStep, own.record),
    // The plugin watches the file from the task's start on.
    openRecordStep(recordFile),
    // All else can wait until the task runs. Earlier, it would compete with init for the processors.
    ...waitForRelease,
    ...becomeIndependent,
    ...nameSteps(name),
    ...recordIdentity,
    ...protectSteps("dac_override", "fowner"),
    ...writeLogs,
  ];
}

/**
 * A plan that starts a logger for a run whose logger was killed. It fails in the step {@link lockStep} if
 * another logger is at work.
 */
export function loggerPlan(logger: Logger): WholePlan<"stdoutRead" | "stderrRead" | "logFolder"> {
  const { stdoutRead, stderrRead, logFolder } = descriptors;
  const attributes = cloneArgs({ exitSignal: k.SIGCHLD });
  return {
    initName: logger.name,
    inherited: { stdoutRead, stderrRead, logFolder },
    outlivesPlugin: true,
    loggerState: loggerState(logger),
    steps: {
      ...noSteps,
      parent: [
        {
          name: "fork the logger",
          call: "clone3",
          args: [bytes(attributes, "{exit_signal: SIGCHLD}"), attributes.length],
          flow: { kind: "fork", child: "logger", parent: "next" },
        },
        { name: "exit the parent of the logger", call: "exit_group", args: [0] },
      ],
      logger: [
        ...takePipes,
        closeRangeStep(takeStep, own.record),
        ...becomeIndependent,
        openRecordStep(logger.recordFile),
        ...recordIdentity,
        ...protectSteps("dac_override", "fowner"),
        openLoggerFifoStep(logger),
        // This also closes the report pipe, and so tells the plugin that no step has failed.
        { name: "keep the logger's FIFO", call: "dup3", args: [own.scratch, own.alive, 0] },
        { name: "keep the logger's FIFO", call: "close", args: [own.scratch] },
        ...writeLogs,
      ],
    },
  };
}

/** A read never waits for output that another process has taken out of the pipe. */
const takePipes = shared([
  { name: takeStep, call: "dup3", args: [descriptors.stdoutRead, own.stdout, 0] },
  { name: takeStep, call: "dup3", args: [descriptors.stderrRead, own.stderr, 0] },
  { name: takeStep, call: "dup3", args: [descriptors.logFolder, own.folder, 0] },
  ...[own.stdout, own.stderr].map((pipe): Step => {
    const { F_SETFL, O_NONBLOCK } = k;
    const args = [pipe, flags({ F_SETFL }), flags({ O_NONBLOCK })];
    return { name: "read without blocking", call: "fcntl", args };
  }),
]);

/** Descriptor 3 is the release pipe of a launch, or the plan of a later logger. */
const writeLogs = shared([
  { name: "write the logs", call: "close", args: [own.release], flow: { kind: "becomeLogger" } },
]);
