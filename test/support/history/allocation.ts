/** An allocation with histories of tasks: one that keeps failing, one that runs, one that never started. */
import type { EventType, TaskEvent } from "../../../src/machines/events.ts";
import { event } from "./history.ts";
import type { RecordEvents } from "./recorder.ts";

export const allocation = "6f2d4a9e-0c57-4d2b-8f1e-3b9a7c5d1e20";

/** The id of a task's run in this allocation. */
export function runOf(task: string, number: number): string {
  return `${allocation}/${task}/${number.toString(16).padStart(8, "0")}`;
}

/** Makes events from their types, their times in milliseconds after `begin`, and their data. */
export function lifeFrom(
  begin: number,
  steps: readonly (readonly [EventType, number, object?])[],
): TaskEvent[] {
  return steps.map(([type, after, data]) => ({ ...event(type, data), time: begin + after }) as TaskEvent);
}

const begun = [
  ["requested", 0],
  ["fingerprinted", 1],
  ["sandboxed", 4],
  ["started", 9],
] as const;

export interface Past {
  /** Time of the first event. */
  readonly begin: number;
  /** How often `web` fails before it runs. */
  readonly failures: number;
}

const second = 1_000;
const minute = 60 * second;

/**
 * `db` runs since the beginning and was recovered once. `web` fails every minute, each time after 40 seconds.
 * Then it is killed because it does not stop, and then it runs. `log` never starts.
 */
export async function recordAllocation(record: RecordEvents, { begin, failures }: Past): Promise<void> {
  await record(
    runOf("db", 1),
    lifeFrom(begin, [...begun, ["recovered", (failures / 2) * minute + 20 * second]]),
  );
  await record(
    runOf("log", 1),
    lifeFrom(begin + 500, [
      ["requested", 0],
      ["fingerprinted", 1],
      ["startFailed", 3, { code: "COMMAND_NOT_FOUND", summary: "/usr/local/bin/ship is not there" }],
      ["destroyed", 9],
    ]),
  );
  for (let number = 1; number <= failures; number++) {
    await record(
      runOf("web", number),
      lifeFrom(begin + number * minute, [
        ...begun,
        ["exited", 40 * second, { exitCode: 1 }],
        ["destroyed", 40 * second + 8],
      ]),
    );
  }
  const next = begin + (failures + 1) * minute;
  await record(
    runOf("web", failures + 1),
    lifeFrom(next, [
      ...begun,
      ["stopRequested", 4 * minute],
      ["signalled", 4 * minute + 1],
      ["stopTimedOut", 5 * minute],
      ["forceKilled", 5 * minute + 1],
      ["exited", 5 * minute + 3, { exitCode: 137, signal: 9 }],
      ["destroyed", 5 * minute + 9],
    ]),
  );
  await record(runOf("web", failures + 2), lifeFrom(next + 6 * minute, begun));
}
