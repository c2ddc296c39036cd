/** The limits that tasks inherit: the agent's, not those that Node gives itself. */
import { readFileSync } from "node:fs";
import type { ResourceLimit } from "./kernel/structs.ts";

/**
 * The limit of open descriptors that this process was started with. Node raises
 * its own soft limit before any code of ours runs, so the launcher script passes
 * the original on; without it (run from source) the parent's is the best guess.
 */
export function agentFileLimit(): ResourceLimit {
  known ??= readFileLimit();
  return known;
}

let known: ResourceLimit | undefined;

function readFileLimit(): ResourceLimit {
  const own = limitIn(readFileSync("/proc/self/limits", "utf8"));
  const passedOn = process.env.NOMAD_DRIVER_EXEC2_NOFILE;
  const soft = passedOn === undefined ? parentLimit() : parseLimit(passedOn);
  return { soft: Math.min(soft ?? own.soft, own.hard), hard: own.hard };
}

function parentLimit(): number | undefined {
  try {
    return limitIn(readFileSync(`/proc/${process.ppid}/limits`, "utf8")).soft;
  } catch {
    return undefined;
  }
}

/** The line of proc_pid_limits(5): `Max open files  1024  524288  files`. */
function limitIn(limits: string): ResourceLimit {
  const [, soft = "", hard = ""] = /^Max open files\s+(\S+)\s+(\S+)/m.exec(limits) ?? [];
  return { soft: parseLimit(soft) ?? Infinity, hard: parseLimit(hard) ?? Infinity };
}

function parseLimit(text: string): number | undefined {
  if (text === "unlimited") return Infinity;
  return /^\d+$/.test(text) ? Number(text) : undefined;
}
