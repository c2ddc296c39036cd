/** A task of this node as `ps` and `top` show it. Pure. */

import { knownEnd } from "../../base/taskEnd.ts";
import type { MemoryFigures } from "../../effects/cgroup/cgroupFigures.ts";
import type { ProjectUsage } from "../../effects/disk/projectQuota.ts";
import type { RunUsage } from "../../effects/stats/usage.ts";
import { limitsOf } from "../../machines/taskContext.ts";
import { isAlive, type TaskSnapshot } from "../../machines/taskMachine.ts";
import { endText, outlineOf, type TaskOutline, type TaskTimes } from "../../machines/taskOutline.ts";
import type { Pin } from "../../store/folder/keptHistories.ts";

/** A task's data in the event log. */
export interface NodeTask extends TaskTimes {
  /** `<allocation id>/<task name>/<8 hex digits>`. */
  readonly id: string;
  readonly snapshot: TaskSnapshot;
  /** Time of the request, in milliseconds since the epoch. */
  readonly begunAt: number;
  /** Reads the time of the last usage sample. */
  readonly lastUse: () => number | undefined;
  /** The pin on the task's history; undefined if the history is not pinned. */
  readonly pin: Pin | undefined;
}

/** A task's data on the host. */
export interface Presence {
  /** Whether the task's init exists. If it does, the task runs. */
  readonly alive: boolean;
  /** Undefined if the task does not run, or the host reports no usage. */
  readonly usage: RunUsage | undefined;
  /** What its own folders use; undefined without a limit, or if it cannot be read. */
  readonly disk?: Pick<ProjectUsage, "bytes" | "limitBytes"> | undefined;
}

/** Unknown values are null. */
export interface TaskRow extends TaskOutline {
  /** Pid of its main process on the host; null once it has ended. */
  readonly pid: number | null;
  readonly user: string | null;
  readonly uid: number | null;
  readonly command: string | null;
  /** Start time of its program, in milliseconds since the epoch. */
  readonly startedAt: number | null;
  /**
   * Milliseconds from its start, or from its request if it never started, to its end. If it has not ended: to
   * now; for a task that is `gone`, to the last time at which it was known to run.
   */
  readonly ageMs: number;
  /** Percent of one core. */
  readonly cpuPercent: number | null;
  /** Bytes that count against its limit; without a memory controller, resident bytes. */
  readonly memoryBytes: number | null;
  readonly memory: MemoryFigures | null;
  /** Limits in force, in percent of one core and in bytes; null if there is none. */
  readonly cpuLimitPercent: number | null;
  readonly memoryLimitBytes: number | null;
  /** Bytes on disk of its own folders, and their limit; null without a limit. */
  readonly diskBytes: number | null;
  readonly diskLimitBytes: number | null;
  /** Processes of the task, without its init. */
  readonly processes: number | null;
  readonly exitCode: number | null;
  readonly signal: number | null;
  readonly oomKilled: boolean | null;
  /** How it ended, or why it never started, in words; null while it runs. */
  readonly end: string | null;
  /** Reason and time of the pin on its history; null if it is not pinned. */
  readonly pin: Pick<Pin, "reason" | "at"> | null;
}

export function rowOf(
  { id, snapshot, begunAt, endedAt, changedAt, lastUse, pin }: NodeTask,
  { alive, usage, disk }: Presence,
  now: number,
): TaskRow {
  const { request, sandbox, process, startedAt, exit } = snapshot.context;
  const outline = outlineOf(id, snapshot);
  const limits = limitsOf(snapshot.context);
  const state = snapshot.value;
  // `gone`: the task runs according to the log, but its init does not exist on the host.
  const isGone = isAlive(state) && !alive;
  const until = endedAt ?? (isGone ? Math.max(changedAt, lastUse() ?? 0) : now);
  const known = knownEnd(exit);
  return {
    ...outline,
    task: request?.taskName ?? outline.task,
    state: isGone ? "gone" : state,
    pid: alive && isAlive(state) ? (process?.task.pid ?? null) : null,
    user: sandbox?.user ?? (request?.user || null),
    uid: sandbox?.uid ?? null,
    command: sandbox?.command ?? request?.options.command ?? null,
    startedAt,
    ageMs: Math.max(0, until - (startedAt ?? begunAt)),
    cpuPercent: usage ? usage.total.cpu.userPercent + usage.total.cpu.systemPercent : null,
    memoryBytes: usage?.total.memory.usage ?? usage?.total.memory.rss ?? null,
    memory: usage?.total.memory ?? null,
    cpuLimitPercent: limits.cores === null ? null : 100 * limits.cores,
    memoryLimitBytes: limits.memoryBytes,
    diskBytes: disk?.bytes ?? null,
    diskLimitBytes: disk?.limitBytes ?? null,
    processes: usage?.processes.size ?? null,
    exitCode: known?.exitCode ?? null,
    signal: known?.signal ?? null,
    oomKilled: exit?.oomKilled ?? null,
    end: endText(snapshot.context) || null,
    pin: pin === undefined ? null : { reason: pin.reason, at: pin.at },
  };
}
