/**
 * Checks an event log: its hash chain is intact, it has every event that an agent has learned of, and the
 * state machine computes the recorded states.
 */
import { isDeepStrictEqual } from "node:util";
import { toTaskEvent } from "../../src/driver/history/taskHistory.ts";
import { initialSnapshot, isOver, type StateName, step } from "../../src/machines/taskMachine.ts";
import type { EventReader, StoredEvent } from "../../src/store/eventStore.ts";
import { findDefect } from "../support/history/findDefect.ts";
import type { Promised } from "./taskLife.ts";

/** The last state of each stream of a log. */
export type EndStates = ReadonlyMap<string, StateName>;

/** @throws Error naming the first thing that is wrong */
export function checkLog(log: EventReader, promised: readonly Promised[]): EndStates {
  const streams = [...log.streams()];
  for (const head of streams) {
    const defect = findDefect(log.readRecords(head.stream), head);
    if (defect !== undefined) throw new Error(`${head.stream} is damaged: ${JSON.stringify(defect)}`);
  }
  for (const promise of promised) {
    const events = [...log.readStream(promise.taskId)];
    if (events.some((event) => keeps(event, promise))) continue;
    const types = events.map(({ type }) => type);
    throw new Error(`the log has lost ${JSON.stringify(promise)}: it has only ${types.join(", ")}`);
  }
  return endStates(log);
}

/** The last states in a log to which a plugin still writes. */
export function endStates(log: EventReader): EndStates {
  return new Map(
    Array.from(log.streams(), ({ stream }) => [stream, refold([...log.readStream(stream)])] as const),
  );
}

/**
 * Whether all tasks are over except the running ones.
 * @throws Error if a task is lost
 */
export function allOver(states: EndStates, running: readonly string[]): boolean {
  for (const [stream, state] of states) if (state === "lost") throw new Error(`${stream} is lost`);
  return [...states].every(([stream, state]) => isOver(state) || running.includes(stream));
}

function keeps({ type, data }: StoredEvent, promise: Promised): boolean {
  if (!promise.types.includes(type)) return false;
  const fields = Object.entries(promise.data ?? {});
  return fields.every(([name, value]) => isDeepStrictEqual((data as Record<string, unknown>)[name], value));
}

/** Folds the events as a replay does. The machine has to give the recorded results. */
function refold(events: readonly StoredEvent[]): StateName {
  let snapshot = initialSnapshot;
  for (const event of events) {
    const { from, to, effects, snapshot: next } = step(snapshot, toTaskEvent(event));
    const { stream, seq } = event;
    if (
      !isDeepStrictEqual({ from, to, effects }, { from: event.from, to: event.to, effects: event.effects })
    ) {
      throw new Error(
        `${stream}, event ${seq}: recorded ${event.from} → ${event.to}, replayed ${from} → ${to}`,
      );
    }
    snapshot = next;
  }
  return snapshot.value;
}
