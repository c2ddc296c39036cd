/**
 * Finds paths that a failed task did not find, according to its error output. Paths that are not unveiled are
 * missing from a task's root, and the kernel records no access to them. The paths are read from the task's
 * log files, if these still exist, and are stored nowhere.
 */
import { lstatSync } from "node:fs";
import { isAtOrBelow } from "../../effects/paths/paths.ts";
import type { TaskContext } from "../../machines/taskContext.ts";
import { LogStream, logPlaces } from "../taskOutput.ts";
import { namedPaths } from "./namedPaths.ts";

/** Number of lines at the end of the error output that are searched for paths. */
const lines = 10;
const maxBytes = 64 * 1024;

/**
 * @returns paths of the host that are not in the task's root. The path that the error output names last comes
 * first
 */
export function missingPaths({ request, sandbox, exit }: TaskContext): string[] {
  if (sandbox?.root !== "private" || exit === null || exit.exitCode === 0) return [];
  // Every root has /proc. The root of a task with a private /tmp has /tmp, too.
  const there = [
    "/proc",
    ...(sandbox.privateTmp ? ["/tmp"] : []),
    ...sandbox.unveiled.map(({ path }) => path),
  ];
  // Folders on the way to unveiled paths are in the root, too.
  const isThere = (path: string) => there.some((each) => isAtOrBelow(path, each) || isAtOrBelow(each, path));
  const own = /^nomad-driver-exec2: .*$/gm;
  return namedPaths(lastLines(request).replaceAll(own, "")).filter(
    (path) => !isThere(path) && isOnHost(path),
  );
}

function lastLines(request: TaskContext["request"]): string {
  let log: LogStream | undefined;
  try {
    log = new LogStream(logPlaces(request).stderr);
    log.seekLines(lines, maxBytes);
    const read: Buffer[] = [];
    let length = 0;
    for (let bytes = log.read(); bytes !== undefined && length < maxBytes; bytes = log.read()) {
      read.push(bytes);
      length += bytes.length;
    }
    return Buffer.concat(read).toString();
  } catch {
    // The allocation's folder may have been removed, or be on another host.
    return "";
  } finally {
    log?.close();
  }
}

function isOnHost(path: string): boolean {
  try {
    lstatSync(path);
    return true;
  } catch {
    return false;
  }
}
