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
 * - It keeps only the capabilities to write to a folder that root may not write to by its mode. It can gain no
 *   other, does not parse what it moves, and no process without CAP_SYS_PTRACE can look into it.
 */
import { blockSignalsStep } from "../cgroup/runCgroupSteps.ts";
import * as k from "../kernel/constants.ts";
import { PR_SET_MM, PR_SET_MM_ARG_END, PR_SET_MM_ARG_START } from "../kernel/kernelConstants.ts";
import { cloneArgs } from "../kernel/structs.ts";
import {
  childActionStep,
  closeRangeStep,
  dropCapabilitiesStep,
  leaveKeyringStep,
  notDumpableStep,
  openStep,
} from "../plan/commonSteps.ts";
import {
  bytes,
  descriptors,
  flags,
  identityRecord,
  noSteps,
  parseIdentity,
  place,
  type Step,
  shared,
  type WholePlan,
} from "../plan/plan.ts";
import { LOGGER_STATE_ADDRESS } from "../plan/table.ts";
import type { ProcessIdentity } from "../processes/processStat.ts";

/** What the logger of a run gets. */
export interface Logger {
  /** As process lists show it, such as `exec2-log: 6f2d4a9e/web`. */
  readonly name: string;
  /** The file in which the logger records what it does. Only root may have access to its folder. */
  readonly recordFile: string;
  /** A FIFO beside the record. The logger holds it open for writing until it ends. */
  readonly aliveFifo: string;
  /** The files are named `<base>.stdout.<index>` and `<base>.stderr.<index>`. */
  readonly base: string;
  /** Number of files of each stream that are kept. */
  readonly maxFiles: number;
  /** Size in bytes at which the next file begins. */
  readonly maxFileBytes: number;
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
}

/** @returns undefined if no logger has written its state yet */
export function parseLogRecord(content: Uint8Array): LogRecord | undefined {
  if (content.length < LOG_RECORD_BYTES) return undefined;
  const view = new DataView(content.buffer, content.byteOffset + STATE_AT, RECORDED_BYTES);
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
  return { logger: parseIdentity(content), stdout: stream(0), stderr: stream(STREAM_BYTES) };
}

/**
 * Layout of the state, which the logger's listings repeat: two streams, the version, the limits, the argument
 * of poll(2), a time, the names of the files, and the logger's own name. Everything up to the version is also
 * in the record, behind an {@link identityRecord}.
 */
const field = {
  ...{ index: 0, finished: 8, begin: 16, end: 24, lost: 32, errno: 40, files: 48, ended: 56 },
  ...{ file: 80, wanted: 88, name: 104, digits: 112 },
} as const;
const STREAM_BYTES = 128;
const RECORDED_BYTES = 2 * STREAM_BYTES + 8;
const [MAX_FILES, MAX_FILE_SIZE, POLLED, NAMES] = [264, 272, 280, 320];
const FILE_NAME_BYTES = 256;
const OWN_NAME = NAMES + 2 * FILE_NAME_BYTES;
const OWN_NAME_BYTES = 160;
const STATE_AT = identityRecord.bytes;
/** Size of a record. */
export const LOG_RECORD_BYTES = STATE_AT + RECORDED_BYTES;
const VERSION = 1;
/** Digits of the largest index, and the terminating NUL. */
const INDEX_BYTES = 21;

const encoder = new TextEncoder();

/** The logger's initial state. */
export function loggerState({ name, base, maxFiles, maxFileBytes, streams }: Logger): Uint8Array {
  const state = new Uint8Array(OWN_NAME + OWN_NAME_BYTES);
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
    if (fileName.length + INDEX_BYTES > FILE_NAME_BYTES) throw new RangeError(`${base}: too long for files`);
    const nameAt = NAMES + number * FILE_NAME_BYTES;
    state.set(fileName, nameAt);
    set(at + field.name, LOGGER_STATE_ADDRESS + nameAt);
    set(at + field.digits, LOGGER_STATE_ADDRESS + nameAt + fileName.length);
    view.setInt32(POLLED + number * POLLED_BYTES, number, true);
    view.setInt16(POLLED + number * POLLED_BYTES + 4, k.POLLIN, true);
  }
  set(2 * STREAM_BYTES, VERSION);
  set(MAX_FILES, maxFiles);
  set(MAX_FILE_SIZE, maxFileBytes);
  state.set(ownNameBytes(name), OWN_NAME);
  return state;
}

function ownNameBytes(name: string): Uint8Array {
  return encoder.encode(name).subarray(0, OWN_NAME_BYTES - 1);
}

/** Size of a `struct pollfd`. */
const POLLED_BYTES = 8;

/**
 * The logger's own descriptors. Its pipes have the numbers of the streams, 0 and 1. The FIFO takes the number
 * of the report pipe: a launch does not wait for its logger, and a step that fails is noticed by the end of the
 * FIFO. `scratch` is the lowest number that is free then.
 */
const own = { stdout: 0, stderr: 1, folder: 2, release: 3, alive: 4, record: 5, scratch: 6 } as const;

const { O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_CLOEXEC } = k;

/**
 * The step of the launch's first process that opens the logger's FIFO. It comes before init is forked: until
 * the FIFO is open, it looks like that of a logger that has ended.
 */
export function openLoggerFifoStep({ aliveFifo }: Pick<Logger, "aliveFifo">): Step {
  return openStep("open the logger's FIFO", aliveFifo, flags({ O_RDWR, O_CLOEXEC }));
}

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
    ...protect,
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
        ...protect,
        openLoggerFifoStep(logger),
        // This also closes the report pipe, and so tells the plugin that no step has failed.
        { name: "keep the logger's FIFO", call: "dup3", args: [own.scratch, own.alive, 0] },
        { name: "keep the logger's FIFO", call: "close", args: [own.scratch] },
        ...writeLogs,
      ],
    },
  };
}

/** Name of the step that fails with `EAGAIN` if another logger is at work. */
export const lockStep = "lock the log's record";

const takeStep = "keep only the logger's descriptors";

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

/**
 * Process lists shall not show init's name. The calls fail in a container without CAP_SYS_RESOURCE.
 */
function nameSteps(name: string): Step[] {
  const begin = LOGGER_STATE_ADDRESS + OWN_NAME;
  const end = begin + ownNameBytes(name).length + 1;
  const set = (what: Readonly<Record<string, number>>, address: number): Step => ({
    name: "name the logger",
    call: "prctl",
    args: [flags({ PR_SET_MM }), flags(what), address, 0, 0],
    flow: { kind: "tolerateErrors" },
  });
  return [set({ PR_SET_MM_ARG_START }, begin), set({ PR_SET_MM_ARG_END }, end)];
}

const becomeIndependent = shared([
  { name: "name the logger", call: "prctl", args: [flags({ PR_SET_NAME: k.PR_SET_NAME }), "exec2-log"] },
  notDumpableStep(),
  { name: "start a session for the logger", call: "setsid", args: [] },
  leaveKeyringStep(),
  // The logger is init's parent.
  childActionStep("let the kernel reap init", k.SA_NOCLDWAIT),
  blockSignalsStep(),
  { name: "create files with their whole mode", call: "umask", args: [0] },
  { name: "leave the working directory", call: "chdir", args: ["/"] },
]);

function openRecordStep(path: string): Step {
  return openStep("open the log's record", path, flags({ O_RDWR, O_CREAT, O_CLOEXEC }), 0o600);
}

const { tagBytes, bytes: identityBytes } = identityRecord;

/** The record's block is allocated now, because the disk may be full later. */
const recordIdentity = shared([
  {
    name: lockStep,
    call: "flock",
    args: [own.record, flags({ LOCK_EX: k.LOCK_EX, LOCK_NB: k.LOCK_NB })],
  },
  openStep("record the logger", "/proc/self/stat", flags({ O_RDONLY, O_CLOEXEC })),
  {
    name: "record the logger",
    call: "read",
    args: [own.scratch, place("identity", tagBytes), identityBytes - tagBytes],
  },
  { name: "record the logger", call: "close", args: [own.scratch] },
  { name: "record the logger", call: "pwrite64", args: [own.record, place("identity"), identityBytes, 0] },
]);

const score = new TextEncoder().encode("-1000");
const protectStep = "protect the logger from OOM";

const protect = shared([
  openStep(protectStep, "/proc/self/oom_score_adj", flags({ O_WRONLY, O_CLOEXEC })),
  {
    name: protectStep,
    call: "write",
    args: [own.scratch, bytes(score, '"-1000"'), score.length],
    flow: { kind: "tolerateErrors" },
  },
  { name: protectStep, call: "close", args: [own.scratch] },
  dropCapabilitiesStep(["dac_override", "fowner"]),
  {
    name: "set no_new_privs",
    call: "prctl",
    args: [flags({ PR_SET_NO_NEW_PRIVS: k.PR_SET_NO_NEW_PRIVS }), 1, 0, 0, 0],
  },
]);

const waitForRelease = shared([
  {
    name: "wait for the go-ahead",
    call: "read",
    args: [own.release, place("waitStatus"), 1],
    flow: { kind: "endOfFile", ended: "abandoned", otherwise: "next" },
  },
]);

/** Descriptor 3 is the release pipe of a launch, or the plan of a later logger. */
const writeLogs = shared([
  { name: "write the logs", call: "close", args: [own.release], flow: { kind: "becomeLogger" } },
]);
