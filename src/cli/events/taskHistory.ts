/** What a task's events say, put together for people. Pure. */
import { DriverError } from "../../errors.ts";
import type { TaskSnapshot } from "../../machines/fold.ts";
import { fold, stateName } from "../../machines/fold.ts";
import { thisMachine } from "../../machines/machineVersion.ts";
import type { StoredEvent } from "../../store/eventStore.ts";
import { suggestion } from "../../suggest.ts";
import { describeExit } from "./eventSummary.ts";

export interface TaskHistory {
  /** `<allocation id>/<task name>/<8 hex digits>`. */
  readonly id: string;
  readonly task: string;
  readonly job: string;
  readonly state: string;
  /** Milliseconds since the epoch: when it was asked for. */
  readonly begunAt: number;
  /** How it ended, or why it never started; empty while it runs. */
  readonly end: string;
  /** How long it ran; undefined where it still does or never did. */
  readonly ranMs: number | undefined;
}

/** Events that this version of the driver cannot read are left out. */
export function foldReadable(events: readonly StoredEvent[]): TaskSnapshot {
  return fold(events.flatMap((event) => readable(event) ?? []));
}

export function taskHistory(id: string, events: readonly StoredEvent[]): TaskHistory {
  const snapshot = foldReadable(events);
  const { request, startedAt, exit } = snapshot.context;
  return {
    id,
    task: taskName(id),
    job: request?.jobId ?? "",
    state: stateName(snapshot),
    begunAt: events[0]?.time ?? 0,
    end: endOf(snapshot),
    ranMs: startedAt !== null && exit !== null ? Math.max(0, exit.endedAt - startedAt) : undefined,
  };
}

/** The event as the machine knows it; undefined where a newer version wrote it. */
export function readable(event: StoredEvent) {
  try {
    return thisMachine.readEvent(event);
  } catch {
    return undefined;
  }
}

/**
 * The task that a person means: by whole id, by name, or by the beginning of an
 * id. The first of these ways that finds any decides.
 * @throws DriverError `TASK_NOT_FOUND` where there is none, or more than one
 */
export function chooseTask<T extends Candidate>(text: string, candidates: readonly T[]): T {
  const ways = [
    ({ id }: T) => id === text,
    ({ id }: T) => taskName(id) === text,
    ({ id }: T) => id.startsWith(text),
  ];
  const found = ways.map((fits) => candidates.filter(fits)).find(({ length }) => length > 0) ?? [];
  const [only, second] = found;
  if (only && !second) return only;
  if (only) {
    const list = found.map(({ id, state = "" }) => `  ${id}  ${state}`.trimEnd()).join("\n");
    throw new DriverError(
      "TASK_NOT_FOUND",
      `${text || "the task"} may be one of ${found.length} tasks:\n${list}`,
      {
        hint: "Give more of the id",
      },
    );
  }
  if (candidates.length === 0) throw new DriverError("TASK_NOT_FOUND", "the log tells of no task");
  const names = [...new Set(candidates.map(({ id }) => taskName(id)))];
  throw new DriverError("TASK_NOT_FOUND", `no task is called ${text}, and no id begins with it`, {
    hint: suggestion(text, names),
  });
}

interface Candidate {
  readonly id: string;
  readonly state?: string;
}

function taskName(id: string): string {
  return id.split("/")[1] ?? id;
}

/** How it ended, or why it never started; empty while it runs. */
export function endOf({ context }: TaskSnapshot): string {
  if (context.exit !== null) return describeExit(context.exit);
  return context.failure?.code ?? context.lostReason ?? "";
}
