import { EVENT_SCHEMA_VERSION, type TaskEvent } from "../../../src/machines/events.ts";
import { initialSnapshot, step } from "../../../src/machines/taskMachine.ts";
import type { EventStore } from "../../../src/store/eventStore.ts";

/** Adds events to a task. */
export type RecordEvents = (stream: string, events: readonly TaskEvent[]) => Promise<void>;

/** Adds events to tasks as the driver does, with the machine's states and effects. */
export function recorderOf(store: EventStore): RecordEvents {
  const snapshots = new Map<string, typeof initialSnapshot>();
  return async (stream, events) => {
    for (const event of events) {
      const { snapshot, accepted, ...made } = step(snapshots.get(stream) ?? initialSnapshot, event);
      if (!accepted) continue;
      snapshots.set(stream, snapshot);
      const stored = { ...event, ...made, schema: EVENT_SCHEMA_VERSION };
      await store.append(stream, store.version(stream), [stored]);
    }
  };
}
