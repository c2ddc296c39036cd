/** A task of this node as `ps` and `top` show it. Pure. */
import type { MemoryFigures } from "../../effects/stats/cgroupFigures.ts";
import type { RunUsage } from "../../effects/stats/usage.ts";
import { stateName, type TaskSnapshot } from "../../machines/fold.ts";
import { isAlive } from "../../machines/taskMachine.ts";
import { endOf } from "../logs/taskHistory.ts";

/** A task, as the event log knows it. */
export interface NodeTask {
  /** `<allocation id>/<task name>/<8 hex digits>`. */
  readonly id: string;
  readonly snapshot: TaskSnapshot;
  /** Time of the request, in milliseconds since the epoch. */
  readonly begunAt: number;
}

/** A task, as the host reports it. */
export interface Presence {
  /** Whether its init exists, and so the task runs. */
  readonly alive: boolean;
  /** Undefined if the task does not run, or the host reports no usage. */
  readonly usage: RunUsage | undefined;
}

/** Unknown values are null. */
export interface TaskRow {
  readonly id: string;
  readonly allocation: string;
  readonly task: string;
  readonly group: string | null;
  readonly job: string | null;
  readonly namespace: string | null;
  /** The machine's state; `gone` if the log has the task running, but the host does not. */
  readonly state: string;
  /** Pid of its main process on the host; null once it has ended. */
  readonly pid: number | null;
  readonly user: string | null;
  readonly uid: number | null;
  readonly command: string | null;
  /** Start time of its program, in milliseconds since the epoch. */
  readonly startedAt: number | null;
  /** Milliseconds since its start, or else its request; for an ended task, until its end. */
  readonly ageMs: number;
  /** Percent of one core. */
  readonly cpuPercent: number | null;
  /** Bytes that count against its limit; without a memory controller, resident bytes. */
  readonly memoryBytes: number | null;
  readonly memory: MemoryFigures | null;
  /** Processes of the task, without its init. */
  readonly processes: number | null;
  readonly exitCode: number | null;
  readonly signal: number | null;
  readonly oomKilled: boolean | null;
  /** How it ended, or why it never started, in words; null while it runs. */
  readonly end: string | null;
}

export function rowOf({ id, snapshot, begunAt }: NodeTask, { alive, usage }: Presence, now: number): TaskRow {
  const { request, sandbox, process, startedAt, exit } = snapshot.context;
  const [allocation = id, task = id] = id.split("/");
  const state = stateName(snapshot);
  const until = exit?.endedAt ?? now;
  return {
    id,
    allocation,
    task: request?.taskName ?? task,
    group: request?.groupName ?? null,
    job: request?.jobId ?? null,
    namespace: request?.namespace ?? null,
    state: isAlive(state) && !alive ? "gone" : state,
    pid: alive && isAlive(state) ? (process?.task.pid ?? null) : null,
    user: sandbox?.user ?? (request?.user || null),
    uid: sandbox?.uid ?? null,
    command: sandbox?.command ?? request?.command ?? null,
    startedAt,
    ageMs: Math.max(0, until - (startedAt ?? begunAt)),
    cpuPercent: usage ? usage.total.cpu.userPercent + usage.total.cpu.systemPercent : null,
    memoryBytes: usage?.total.memory.usage ?? usage?.total.memory.rss ?? null,
    memory: usage?.total.memory ?? null,
    processes: usage?.processes.size ?? null,
    exitCode: exit === null || exit.source === "unknown" ? null : exit.exitCode,
    signal: exit === null || exit.source === "unknown" ? null : exit.signal,
    oomKilled: exit?.oomKilled ?? null,
    end: endOf(snapshot) || null,
  };
}

/** Sorts by CPU, the busiest first, then by id, so that idle tasks keep their places. */
export function byCpu(a: TaskRow, b: TaskRow): number {
  return (b.cpuPercent ?? -1) - (a.cpuPercent ?? -1) || (a.id < b.id ? -1 : 1);
}
