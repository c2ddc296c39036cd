/**
 * Whether what the kernel has recorded, a failed call or a denial, decided a failure: the end of the output is about
 * it, or a program that said nothing failed right after it. Programs fail at many calls, and go on. Pure.
 */
import { posix } from "node:path";
import { isOfNetwork } from "../../effects/denial.ts";
import type { CauseKind } from "../../machines/events/cause.ts";
import type { Refusal } from "../../machines/events/denied.ts";
import { consequenceMs, type Recorded } from "./evidence.ts";
import type { Finding } from "./knownTexts.ts";

type FailedCall = Omit<Recorded["record"]["calls"][number], "call"> & { readonly call: string | null };

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
 * A program that says nothing, and fails for a call, ends within this time after it, in milliseconds. On a busy host it
 * may take longer: then no cause is named.
 */
export const silentMs = 100;

/**
 * The last failed call of a process, if it came right before the end, in its first thread. Of another thread's, nobody
 * knows whether the thread that ended the process has waited for it.
 */
export function lastCallOf(
  pid: number | undefined,
  record: Recorded["record"] | undefined,
  endedAt: number,
): FailedCall | undefined {
  const last = record && failedCalls(record).findLast((each) => (each.thread ?? each.pid) === pid);
  return last === undefined || endedAt - last.at > silentMs ? undefined : last;
}

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
 * Whether a denial decided the failure.
 * @param said what the end of the output says
 * @param main the run's main process
 */
export function isDecisive(
  refused: Refusal,
  said: { readonly known?: Finding | undefined; readonly lastLine?: string | undefined },
  main: number | undefined,
): boolean {
  const { known, lastLine } = said;
  if (lastLine === undefined) return refused.pid !== null && refused.pid === main;
  if (known === undefined) return false;
  const { object, blockers } = refused;
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
  const call = blockers.map((each) => each.replace(/^(?:seccomp|scope)\./, ""));
  return known.paths.length === 0 || call.some((each) => known.line.includes(each));
}
