/**
 * Paths that a failed task missed, by its own output: what is not unveiled is not in a task's root, and the kernel
 * records nothing of it. They are read where the task's log still is, and kept nowhere.
 */
import { lstatSync } from "node:fs";
import { isAtOrBelow } from "../../../config/options/unveil.ts";
import { logPlaces } from "../../../effects/logs/logFiles.ts";
import { LogStream } from "../../../effects/logs/logStream.ts";
import type { TaskContext } from "../../../machines/taskContext.ts";
import { namedPaths } from "../../../why/namedPaths.ts";

/** Lines at the end of the output that tell of its error. */
const lines = 10;
const maxBytes = 64 * 1024;

/** @returns paths of the host that are not in the task's root, the last that its error output names first */
export function missingPaths({ request, sandbox, exit }: TaskContext): string[] {
  if (sandbox?.root !== "private" || exit === null || exit.exitCode === 0) return [];
  // Every root has a /proc and, if it is the task's own, a /tmp.
  const there = [
    "/proc",
    ...(sandbox.privateTmp ? ["/tmp"] : []),
    ...sandbox.unveiled.map(({ path }) => path),
  ];
  // Folders that lead to something unveiled are there, too.
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
    log.seekLines(lines);
    const read: Buffer[] = [];
    let length = 0;
    for (let bytes = log.read(); bytes !== undefined && length < maxBytes; bytes = log.read()) {
      read.push(bytes);
      length += bytes.length;
    }
    return Buffer.concat(read).toString();
  } catch {
    // The allocation's folder may be gone, or be another host's.
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
