/** Summarises a task's events. Pure. */
import { describeExit } from "../../machines/events/ending.ts";
import type { TaskSnapshot } from "../../machines/fold.ts";
import { fold, stateName } from "../../machines/fold.ts";
import { thisMachine } from "../../machines/machineVersion.ts";
import { taskName } from "../../replay/chooseTask.ts";
import type { StoredEvent } from "../../store/eventStore.ts";

export interface TaskHistory {
  /** `<allocation id>/<task name>/<8 hex digits>`. */
  readonly id: string;
  readonly task: string;
  readonly job: string;
  readonly state: string;
  /** Time of the request, in milliseconds since the epoch; 0 if unknown. */
  readonly begunAt: number;
  /** How it ended, or why it never started; empty while it runs. */
  readonly end: string;
  /** How long it ran; undefined if it still runs, or never did. */
  readonly ranMs: number | undefined;
}

/** Folds the events that this version of the driver can read. */
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

/** The event as the machine reads it; undefined if it cannot, such as an event of a newer version. */
export function readable(event: StoredEvent) {
  try {
    return thisMachine.readEvent(event);
  } catch {
    return undefined;
  }
}

/** How it ended, or why it never started; empty while it runs. */
export function endOf({ context }: TaskSnapshot): string {
  if (context.exit !== null) return describeExit(context.exit);
  return context.failure?.code ?? context.lostReason ?? "";
}
