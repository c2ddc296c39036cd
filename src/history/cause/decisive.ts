/**
 * Whether what the kernel has recorded, a failed call or a denial, decided a failure: the end of the output is about
 * it, or a program that said nothing failed right after it. Programs fail at many calls, and go on. Pure.
 */
import { constants } from "node:os";
import { posix } from "node:path";
import { NOT_EXECUTABLE, NOT_FOUND } from "../../base/taskEnd.ts";
import { isOfNetwork } from "../../effects/denial.ts";
import type { CauseKind } from "../../machines/events/cause.ts";
import type { Refusal } from "../../machines/events/denied.ts";
import type { Exit } from "../../machines/events/ending.ts";
import { consequenceMs, type Recorded, type RefusalBeforeEnd } from "./evidence.ts";
import type { Finding } from "./knownTexts.ts";

/** Of a missed path, the record has no name of the call. */
export type FailedCall = Omit<Recorded["record"]["calls"][number], "call"> & { readonly call: string | null };

const errors: { readonly [Kind in CauseKind]?: readonly string[] } = {
  missing_path: ["ENOENT", "ENOTDIR"],
  missing_library: ["ENOENT"],
  permission: ["EACCES", "EPERM"],
  port_in_use: ["EADDRINUSE"],
  connection_refused: ["ECONNREFUSED"],
  disk_full: ["ENOSPC", "EDQUOT"],
  read_only: ["EROFS"],
  open_files: ["EMFILE", "ENFILE"],
  processes: ["EAGAIN", "ENOMEM"],
  program_memory: ["ENOMEM"],
  not_executable: ["ENOEXEC", "ENOENT", "EACCES"],
};

/** The last recorded call that failed as the last message says, with the same object if the message names one. */
export function callFor(
  { kind, line, paths, name }: Finding,
  record: Recorded["record"] | undefined,
  endedAt: number,
): FailedCall | undefined {
  if (record === undefined) return undefined;
  const ofKind = errors[kind] ?? [];
  return failedCalls(record).findLast(({ error, object, at }) => {
    if (!ofKind.includes(error) || endedAt - at > consequenceMs) return false;
    if (object === null) return paths.length === 0 || kind !== "missing_path";
    if (object.startsWith("/")) {
      const path = posix.normalize(object);
      if (kind === "missing_library") return posix.basename(path) === name;
      return paths.length > 0
        ? paths.some((each) => posix.normalize(each) === path)
        : namesFile(line, posix.basename(path));
    }
    return name === undefined ? paths.length === 0 : portOf(name) === portOf(object);
  });
}

/**
 * A process that fails for a call, or that passes the exit code of another one on, ends within this time after it, in
 * milliseconds by the kernel's clock. On a busy host it may take longer: then no cause is named.
 */
export const soonMs = 250;

/** A failed call that decided the end of a process. */
export interface DecisiveCall extends FailedCall {
  /** Whether it was the last one of the thread that ended the process; otherwise the last message names its object. */
  readonly isLast: boolean;
}

/**
 * A call, if it decided the failure: it failed right before the end, in the process whose exit code is the run's. It was
 * the last failed one of the thread that ended this process; or it was another thread's, as of a pool for files, and the
 * last message names its object.
 */
export function decisiveCall(
  finding: Finding,
  call: FailedCall,
  record: Recorded["record"],
  main: number | undefined,
): DecisiveCall | undefined {
  const end = decidingEnds(record, main).find(({ pid }) => pid === call.pid);
  if (end === undefined || !isSoon(call, end)) return undefined;
  if (isSame(lastCallOf(end, record), call)) return { ...call, isLast: true };
  return isNamed(call, finding) && end.thread !== call.thread ? { ...call, isLast: false } : undefined;
}

/** The last failed call of the thread that ended the main process, if it came right before the end. */
export function lastCallOfMain(
  record: Recorded["record"] | undefined,
  main: number | undefined,
): FailedCall | undefined {
  const end = record && endOfMain(record, main);
  if (record === undefined || end === undefined) return undefined;
  const last = lastCallOf(end, record);
  return last !== undefined && isSoon(last, end) ? last : undefined;
}

/** Such as `its last failed call: connect 10.0.0.1:443, ECONNREFUSED`: what was seen, and no more. */
export function lastCallText({ call, error, object }: FailedCall): string {
  return `its last failed call: ${call ?? "a look at"}${object === null ? "" : ` ${object}`}, ${error}`;
}

type ProcessEnd = NonNullable<Recorded["record"]["ends"]>[number];

function endOfMain({ ends = [] }: Recorded["record"], main: number | undefined): ProcessEnd | undefined {
  return ends.findLast(({ pid }) => pid === main);
}

/** The end of the main process, and of those whose exit code has become its own, one right after the other. */
function decidingEnds(record: Recorded["record"], main: number | undefined): ProcessEnd[] {
  const own = endOfMain(record, main);
  if (own === undefined) return [];
  const until = record.ends?.lastIndexOf(own) ?? 0;
  const before = record.ends?.slice(0, until).toReversed() ?? [];
  const others = before.findIndex((each) => each.exitCode !== own.exitCode || !isSoon(each, own));
  return [own, ...(others === -1 ? before : before.slice(0, others))];
}

function lastCallOf({ thread, at }: ProcessEnd, record: Recorded["record"]): FailedCall | undefined {
  return failedCalls(record).findLast(
    (each) => (each.thread ?? each.pid) === thread && each.at <= at && !isOfTrace(each),
  );
}

/** Whether Python looked for the source of code that has none, such as `<string>`, for its stack trace. */
function isOfTrace({ error, object }: FailedCall): boolean {
  return error === "ENOENT" && object !== null && /\/<[^/]*>$/.test(object);
}

function isSoon(earlier: { readonly at: number }, end: ProcessEnd): boolean {
  return end.at - earlier.at <= soonMs;
}

function isSame(one: FailedCall | undefined, other: FailedCall): boolean {
  return one !== undefined && one.at === other.at && one.error === other.error && one.object === other.object;
}

/** Whether a message names the object of a call. */
function isNamed({ object }: FailedCall, { line, paths, name }: Finding): boolean {
  if (object === null) return false;
  if (!object.startsWith("/")) return name !== undefined && portOf(name) === portOf(object);
  const path = posix.normalize(object);
  return paths.some((each) => posix.normalize(each) === path) || namesFile(line, posix.basename(path));
}

/** Codes with which runtimes and tools end for an error, and which shells pass on: Rust's is 101, git's 128. */
const codesOfErrors: readonly number[] = [1, 2, 101, NOT_EXECUTABLE, NOT_FOUND, 128, 255];

/**
 * Whether a task ended with a code of its own. A program that catches an error, prints it, and ends for another reason
 * has no other output than one that ends for the error; but that one has no choice of its code.
 * The last message may name its code, as `curl: (7) …` and `rsync error: … (code 11)`; Perl's `die` exits with the errno.
 */
export function hasOwnCode({ exitCode, signal }: Exit, { kind, line }: Finding): boolean {
  const isErrno = errors[kind]?.some((each) => errnos[each] === exitCode);
  const isNamed = line.includes(`(${exitCode})`) || line.includes(`(code ${exitCode})`);
  return signal === 0 && !codesOfErrors.includes(exitCode) && !isErrno && !isNamed;
}

const errnos: Readonly<Record<string, number | undefined>> = constants.errno;

/** All failed calls in the order of their times. Of a missed path, the record has no name of the call. */
function failedCalls({ calls, missed }: Recorded["record"]): FailedCall[] {
  const ofPaths = missed.map(({ path, ...rest }) => ({ ...rest, call: null, error: "ENOENT", object: path }));
  return [...calls, ...ofPaths].sort((one, other) => one.at - other.at);
}

/** Whether a line names a file, not merely has its name within a longer word. */
function namesFile(line: string, name: string): boolean {
  const at = line.indexOf(name);
  return (
    name !== "" &&
    at !== -1 &&
    !/[\w.-]/.test(line.charAt(at - 1)) &&
    !/[\w-]/.test(line.charAt(at + name.length))
  );
}

/** The number at the end of an address or of its name. */
export function portOf(text: string): string | undefined {
  return /(\d{1,5})\D*$/.exec(text)?.[1];
}

/**
 * Whether a denial decided the failure: of a program that said nothing, it was the last failed call before its end,
 * if the calls are recorded, or else right before its end; otherwise the last message is about it.
 * @param said what the end of the output says
 * @param main the run's main process
 */
export function isDecisive(
  { refusal, beforeMs }: RefusalBeforeEnd,
  said: { readonly known?: Finding | undefined; readonly lastLine?: string | undefined },
  record: Recorded["record"] | undefined,
  end: Exit,
  main: number | undefined,
): boolean {
  const last = lastCallOfMain(record, main);
  if (said.lastLine === undefined) {
    if (refusal.pid === null || refusal.pid !== main) return false;
    return record === undefined ? beforeMs <= soonMs : last !== undefined && isRefused(last, refusal);
  }
  const { known } = said;
  return known !== undefined && !hasOwnCode(end, known) && isAbout(known, refusal);
}

/** Whether a call failed because it was denied. */
function isRefused({ call, object }: FailedCall, { blockers, object: refused }: Refusal): boolean {
  if (object !== null && refused !== null) {
    if (!object.startsWith("/")) return portOf(object) === portOf(refused);
    const path = posix.normalize(object);
    return [path, posix.dirname(path)].includes(posix.normalize(refused));
  }
  return blockers.some((each) => callOf(each) === call);
}

/** Whether a message is about a denial. */
function isAbout(known: Finding, { blockers, object }: Refusal): boolean {
  if (blockers.some(isOfNetwork)) {
    if (known.kind === "name_lookup") return object !== null && /(?:^|:)53$/.test(object);
    if (known.kind !== "permission" && known.kind !== "connection_refused") return false;
    const port = object === null ? undefined : portOf(object);
    return (
      port !== undefined && known.paths.length === 0 && new RegExp(`(?<!\\d)${port}(?!\\d)`).test(known.line)
    );
  }
  if (known.kind !== "permission") return false;
  if (object?.startsWith("/")) {
    const path = posix.normalize(object);
    if (known.paths.length === 0) return namesFile(known.line, posix.basename(path));
    return known.paths.some((each) =>
      [posix.normalize(each), posix.dirname(posix.normalize(each))].includes(path),
    );
  }
  return known.paths.length === 0 || blockers.some((each) => known.line.includes(callOf(each)));
}

function callOf(blocker: string): string {
  return blocker.replace(/^(?:seccomp|scope)\./, "");
}
