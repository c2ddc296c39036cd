/**
 * Spawns the processes of a plan. The runner gets the plan's table, the report pipe, and the descriptors that
 * the plan names. The processes' report comes through a pipe, which the plugin reads in the event loop, so no
 * thread blocks.
 */

import { closeSync, constants, openSync, writeSync } from "node:fs";
import { Socket } from "node:net";
import { DriverError } from "../../base/errors.ts";
import { MFD_CLOEXEC } from "../kernel/constants.ts";
import { memfdCreate, pipe2, waitpid } from "../kernel/libc.ts";
import { supportedArchitecture } from "../kernel/systemCalls.ts";
import type { ProcessIdentity } from "../processes/processStat.ts";
import { assembleEarly, assembleLate, type EarlyTable } from "./assemble.ts";
import {
  type Descriptors,
  descriptors,
  identityRecord,
  type LatePlan,
  parseIdentity,
  type Spawning,
  type WholePlan,
} from "./plan.ts";
import { spawnRunner } from "./runner.ts";
import { LATE_OFFSET } from "./table.ts";

/** A running plan. */
export interface Spawned extends ReportPipe {
  /** The process that executes the phase `parent`. The caller has to wait for it. */
  readonly pid: number;
}

/**
 * @param passed this process's descriptors, by the names in the plan; they stay open here. Their numbers must
 *   be above 6, as are the numbers of all descriptors that this process has opened itself. A standard stream
 *   that the plan does not name becomes `/dev/null`
 * @param runnerFolder folder for the runner, if this host cannot execute memfds; only root may have access
 * @throws DriverError `LAUNCH_FAILED`
 */
export function spawnPlan<Name extends string>(
  plan: WholePlan<Name>,
  passed: Descriptors<NoInfer<Name>>,
  runnerFolder: string | undefined,
): Spawned {
  using table = new DisposableStack();
  try {
    const descriptor = table.adopt(writeTable(plan), closeSync);
    writeLate(descriptor, plan);
    return spawnTable(descriptor, plan, passed, runnerFolder);
  } catch (thrown) {
    throw launchNotBegun(thrown);
  }
}

/**
 * Like {@link spawnPlan}, for a plan whose table is already written.
 * @param table descriptor of the table, which stays open here
 */
export function spawnTable<Name extends string>(
  table: number,
  plan: Spawning<Name>,
  passed: Descriptors<NoInfer<Name>>,
  runnerFolder: string | undefined,
): Spawned {
  using childOnly = new DisposableStack();
  using undo = new DisposableStack();
  try {
    const pipe = reportPipe(plan.outlivesPlugin);
    childOnly.adopt(pipe.write, closeSync);
    undo.adopt(pipe.read, closeSync);
    const named = (Object.keys(plan.inherited) as Name[]).map((name) => ({
      from: passed[name],
      to: plan.inherited[name],
    }));
    const unnamed = standardStreams.filter((to) => named.every((each) => each.to !== to));
    const inherited = [
      ...unnamed.map((to) => ({ from: nullDevice(), to })),
      { from: table, to: descriptors.plan },
      { from: pipe.write, to: descriptors.report },
      ...named,
    ];
    const pid = spawnRunner(plan.initName, inherited, runnerFolder, plan.session);
    undo.move();
    return { pid, ...readReport(pipe.read) };
  } catch (thrown) {
    throw launchNotBegun(thrown);
  }
}

/** The error for a launch that has not started any process. */
export function launchNotBegun(thrown: unknown): DriverError {
  return DriverError.from(thrown, "LAUNCH_FAILED", "the launch could not begin");
}

/** @returns a memfd with the early part of a plan's table, close-on-exec */
export function writeTable(plan: EarlyTable): number {
  const table = memfdCreate("exec2-plan", MFD_CLOEXEC);
  try {
    writeAt(table, assembleEarly(plan, supportedArchitecture()), 0);
    return table;
  } catch (thrown) {
    closeSync(table);
    throw thrown;
  }
}

/**
 * Adds the late part of a plan to a table.
 * @throws DriverError `LAUNCH_FAILED` if arguments and environment are too long
 */
export function writeLate(table: number, late: LatePlan): void {
  writeAt(table, assembleLate(late, supportedArchitecture()), LATE_OFFSET);
}

/**
 * A pipe for a plan's report.
 * @param outlivesPlugin whether a released init must start the task even if this process dies. If so, the
 *   write end is open for reading, too (fifo(7)), so that init never gets SIGPIPE
 */
export function reportPipe(outlivesPlugin: boolean): { readonly read: number; readonly write: number } {
  const pipe = pipe2();
  if (!outlivesPlugin) return pipe;
  try {
    return { read: pipe.read, write: openSync(`/proc/self/fd/${pipe.write}`, constants.O_RDWR) };
  } catch (thrown) {
    closeSync(pipe.read);
    throw thrown;
  } finally {
    closeSync(pipe.write);
  }
}

/**
 * Resolves once all of a plan's processes have closed the report pipe. The first process must close it by
 * exiting: otherwise waitpid(2) would block.
 */
export async function reportOf({ pid, report }: Spawned): Promise<Report> {
  const reported = await report;
  waitpid(pid, 0);
  return reported;
}

const standardStreams = [descriptors.stdin, descriptors.stdout, descriptors.stderr];

/** Leaves the descriptor's own offset unchanged, because the runner reads from this offset on. */
function writeAt(memfd: number, content: Uint8Array, offset: number): void {
  let written = 0;
  while (written < content.length) {
    written += writeSync(memfd, content, written, content.length - written, offset + written);
  }
}

let openedNullDevice: number | undefined;

/** `/dev/null` for reading, opened once. */
function nullDevice(): number {
  openedNullDevice ??= openSync("/dev/null", "r");
  return openedNullDevice;
}

/** Everything that the processes of a launch reported before all of them closed the pipe. */
export interface Report {
  /** The processes that reported their identity: init, then the task. */
  readonly processes: readonly ProcessIdentity[];
  readonly failure: StepFailure | undefined;
}

/** A step that failed. */
interface StepFailure {
  /** Address of its entry in the assembled plan. */
  readonly entry: number;
  readonly errno: number;
}

/**
 * Parses a report. Each record begins with a word: 0 for an identity, otherwise the
 * address of the entry that failed. Skips a truncated record.
 */
export function parseReport(bytes: Uint8Array): Report {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const processes: ProcessIdentity[] = [];
  let failure: StepFailure | undefined;
  let offset = 0;
  while (offset + FAILURE_BYTES <= bytes.length) {
    const entry = view.getUint32(offset, true);
    if (entry === 0) {
      const process = parseIdentity(bytes.subarray(offset));
      if (process !== undefined) processes.push(process);
      offset += identityRecord.bytes;
    } else {
      failure ??= { entry, errno: view.getUint32(offset + 8, true) };
      offset += FAILURE_BYTES;
    }
  }
  return { processes, failure };
}

const FAILURE_BYTES = 16;

export interface ReportPipe {
  /** The first process that reports its identity; undefined if none does. Rejects as {@link report} does. */
  readonly first: Promise<ProcessIdentity | undefined>;
  /** The whole report, once every process has closed the pipe. Rejects if the pipe cannot be read. */
  readonly report: Promise<Report>;
}

/** @param pipe descriptor of the reading end, which is closed at the end of the report */
export function readReport(pipe: number): ReportPipe {
  const first = Promise.withResolvers<ProcessIdentity | undefined>();
  const report = readToEnd(pipe, (bytes) => {
    if (bytes.length >= identityRecord.bytes) first.resolve(parseReport(bytes).processes[0]);
  }).then(parseReport);
  report.then(() => first.resolve(undefined), first.reject);
  // This only marks a rejection as handled. Callers that wait for `first` still get it.
  first.promise.catch(() => undefined);
  return { first: first.promise, report };
}

/**
 * Reads a pipe to its end and closes it.
 * @param onProgress called with all bytes read so far, whenever more arrive
 */
export function readToEnd(pipe: number, onProgress?: (bytes: Buffer) => void): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  let bytes = Buffer.alloc(0);
  new Socket({ fd: pipe, readable: true, writable: false })
    .on("data", (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
      onProgress?.(bytes);
    })
    .once("end", () => resolve(bytes))
    .once("error", reject);
  return promise;
}
