/** The resource limits of a process: proc_pid_limits(5). */
import { readFileSync } from "node:fs";
import type { ResourceLimit } from "../kernel/structs.ts";
import type { LimitedResource } from "./ulimits.ts";

let knownLimits: string | undefined;

/** The limits of this process, as {@link limitIn} takes them, read once. */
export function ownLimits(): string {
  knownLimits ??= readFileSync("/proc/self/limits", "utf8");
  return knownLimits;
}

/** Names of the limits in proc_pid_limits(5). */
const titles: Readonly<Record<LimitedResource, string>> = {
  RLIMIT_AS: "address space",
  RLIMIT_CORE: "core file size",
  RLIMIT_CPU: "cpu time",
  RLIMIT_DATA: "data size",
  RLIMIT_FSIZE: "file size",
  RLIMIT_LOCKS: "file locks",
  RLIMIT_MEMLOCK: "locked memory",
  RLIMIT_MSGQUEUE: "msgqueue size",
  RLIMIT_NICE: "nice priority",
  RLIMIT_NOFILE: "open files",
  RLIMIT_NPROC: "processes",
  RLIMIT_RSS: "resident set",
  RLIMIT_RTPRIO: "realtime priority",
  RLIMIT_RTTIME: "realtime timeout",
  RLIMIT_SIGPENDING: "pending signals",
  RLIMIT_STACK: "stack size",
};

/**
 * Parses the resource's line, such as `Max open files  1024  524288  files`.
 * @param limits the text of `/proc/<pid>/limits`
 */
export function limitIn(limits: string, resource: LimitedResource): ResourceLimit {
  const line = new RegExp(`^Max ${titles[resource]}\\s+(\\S+)\\s+(\\S+)`, "m").exec(limits);
  const [, soft = "", hard = ""] = line ?? [];
  return { soft: parseLimit(soft) ?? Infinity, hard: parseLimit(hard) ?? Infinity };
}

function parseLimit(text: string): number | undefined {
  if (text === "unlimited") return Infinity;
  return /^\d+$/.test(text) ? Number(text) : undefined;
}
