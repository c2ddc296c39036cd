/** Figures of the host and of all its tasks. Pure. */
import { version } from "../../base/version.ts";
import type { Status } from "./answers.ts";
import { type OutcomeKind, outcomeKinds } from "./outcomeKinds.ts";
import type { TaskSummary } from "./taskSummary.ts";
import { countIn, spansSince, type TimeSpans } from "./timeSpans.ts";

export interface NodeView {
  /** Version of the inspector. */
  readonly inspector: string;
  readonly path: string;
  /** Running plugin processes; the version is null until an event names the process. */
  readonly plugins: readonly { readonly pid: number; readonly version: string | null }[];
  /** Null for a bundle, whose events come from another host. */
  readonly host: NodeHost | null;
  /** The outcomes that occur, in the order of the list's filter. */
  readonly outcomes: readonly { readonly kind: OutcomeKind; readonly tasks: number }[];
  /** Milliseconds from a request to the running program, over all starts in the log. Null without starts. */
  readonly start: {
    readonly starts: number;
    readonly p50: number;
    readonly p90: number;
    readonly p99: number;
    readonly max: number;
  } | null;
  readonly activity: Activity;
}

export interface NodeHost {
  readonly kernel: string;
  readonly arch: string;
  readonly cores: number;
  /** 0 if the kernel has no Landlock. */
  readonly landlockAbi: number;
  readonly cgroupMount: string | null;
  readonly cgroupControllers: readonly string[];
}

/** The part of the task index that this view needs. */
interface Tasks {
  rows(): readonly TaskSummary[];
  /** The version of a running plugin process; undefined until an event names it. */
  pluginVersion(pid: number): string | undefined;
}

/** The host's facts as probed. */
interface HostFacts extends Omit<NodeHost, "cgroupMount"> {
  readonly cgroupMount: string | undefined;
}

/** Starts and exits in equal spans of time. */
export interface Activity extends TimeSpans {
  readonly starts: readonly number[];
  readonly exits: readonly number[];
}

export function nodeView(tasks: Tasks, host: HostFacts, status: Status, now: number): NodeView {
  const rows = tasks.rows();
  const counts = new Map<OutcomeKind, number>();
  for (const { outcome } of rows) counts.set(outcome.kind, (counts.get(outcome.kind) ?? 0) + 1);
  return {
    inspector: version,
    path: status.path,
    plugins: status.plugins.map((pid) => ({ pid, version: tasks.pluginVersion(pid) ?? null })),
    host: status.bundle ? null : hostOf(host),
    outcomes: outcomeKinds.flatMap((kind) => {
      const tasks = counts.get(kind);
      return tasks === undefined ? [] : [{ kind, tasks }];
    }),
    start: percentilesOf(rows.flatMap(({ startMs }) => startMs ?? [])),
    // The activity of a bundle ends with the last request, start or end in it.
    activity: activityOf(rows, status.bundle ? lastOf(rows) : now),
  };
}

function hostOf({ kernel, arch, cores, landlockAbi, cgroupMount, cgroupControllers }: HostFacts): NodeHost {
  return { kernel, arch, cores, landlockAbi, cgroupMount: cgroupMount ?? null, cgroupControllers };
}

/** Time of the last request, start or end of a task. */
function lastOf(rows: readonly TaskSummary[]): number {
  return rows.reduce(
    (last, { begunAt, startedAt, endedAt }) => Math.max(last, endedAt ?? startedAt ?? begunAt),
    0,
  );
}

function percentilesOf(values: readonly number[]): NodeView["start"] {
  if (values.length === 0) return null;
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
  return { starts: sorted.length, p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) };
}

/** Counts starts and exits since the first request. */
function activityOf(rows: readonly TaskSummary[], now: number): Activity {
  const spans = spansSince(
    rows.reduce((first, { begunAt }) => Math.min(first, begunAt), now),
    now,
  );
  return {
    ...spans,
    starts: countIn(
      spans,
      rows.map(({ startedAt }) => startedAt),
    ),
    // A failed start is not an exit.
    exits: countIn(
      spans,
      rows.map(({ startedAt, endedAt }) => startedAt && endedAt),
    ),
  };
}
