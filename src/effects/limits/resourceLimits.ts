/**
 * The resource limits with which a task starts. Limits that its job does not set are the agent's, as they
 * were before Node raised some of them. Core dumps are off unless the job sets their limit.
 */
import { readFileSync } from "node:fs";
import { isSea } from "node:sea";
import { DriverError } from "../../base/errors.ts";
import { resourceNumbers } from "../kernel/constants.ts";
import { setrlimit } from "../kernel/libc.ts";
import { limitIn, ownLimits } from "./processLimits.ts";
import { parseUlimits, type TaskLimit, type Ulimit } from "./ulimits.ts";

/**
 * The limits to set for a task: those of its options, and presets for limits that its options do not name.
 * @param ulimit validated blocks
 * @throws DriverError `CONFIG_INVALID` for a limit above the agent's own that the operator does not allow
 */
export function taskLimits(
  ulimit: readonly Readonly<Record<string, string>>[],
  { allowRaisedUlimits }: { readonly allowRaisedUlimits: boolean },
): TaskLimit[] {
  const requested = parseUlimits(ulimit);
  if (!allowRaisedUlimits) requested.forEach(refuseRaised);
  const preset = [agentFileLimit(), noCoreDumps].filter(
    (limit) => !requested.some(({ resource }) => resource === limit.resource),
  );
  return [...preset, ...requested.map(({ resource, soft, hard }) => ({ resource, soft, hard }))];
}

/**
 * A core dump holds the task's memory, and so its secrets. The host or the task decides where the dump is
 * written.
 */
const noCoreDumps: TaskLimit = { resource: "RLIMIT_CORE", soft: 0, hard: 0 };

/**
 * The limit of open descriptors with which this process was started. The Node in the executable does not
 * change that limit (scripts/executable/buildExecutable.ts). Any other Node raises its own soft limit before
 * this code runs, so the parent's limit is the best guess.
 */
function agentFileLimit(): TaskLimit {
  knownFileLimit ??= readFileLimit();
  return knownFileLimit;
}

let knownFileLimit: TaskLimit | undefined;

/**
 * Reads those limits of a task's process that are set for every task.
 * @throws DriverError `KERNEL_CALL_FAILED` if there is no such process
 */
export function presetLimitsOf(pid: number): TaskLimit[] {
  try {
    const limits = readFileSync(`/proc/${pid}/limits`, "utf8");
    return (["RLIMIT_NOFILE", "RLIMIT_CORE"] as const).map((resource) => ({
      resource,
      ...limitIn(limits, resource),
    }));
  } catch (thrown) {
    throw DriverError.from(thrown, "KERNEL_CALL_FAILED", "the task's limits cannot be read");
  }
}

/**
 * Raises this process's soft limit of open descriptors to its hard limit. Tasks do not inherit the raised
 * limit.
 */
export function raiseOwnFileLimit(): void {
  const { hard } = agentFileLimit();
  setrlimit(resourceNumbers.RLIMIT_NOFILE, { soft: hard, hard });
}

function readFileLimit(): TaskLimit {
  const own = limitIn(ownLimits(), "RLIMIT_NOFILE");
  const soft = isSea() ? own.soft : parentFileLimit();
  return { resource: "RLIMIT_NOFILE", soft: Math.min(soft ?? own.soft, own.hard), hard: own.hard };
}

function parentFileLimit(): number | undefined {
  try {
    return limitIn(readFileSync(`/proc/${process.ppid}/limits`, "utf8"), "RLIMIT_NOFILE").soft;
  } catch {
    return undefined;
  }
}

/** Only hard limits matter here: a process may set its soft limit to any value up to its hard limit. */
function refuseRaised({ name, resource, hard }: Ulimit): void {
  const agent = limitIn(ownLimits(), resource).hard;
  if (hard <= agent) return;
  const text = `The task's config has option "ulimit" with ${name} up to ${formatLimit(hard)}, and the Nomad agent itself has ${formatLimit(agent)}`;
  throw new DriverError("CONFIG_INVALID", text, {
    option: "ulimit",
    hint: "Lower it, raise the agent's own, or set allow_raised_ulimits = true in the client's plugin block of this driver",
  });
}

function formatLimit(limit: number): string {
  return limit === Infinity ? "no limit" : String(limit);
}
