/** Reads the event log of a running plugin. */
import type { EventReader, StoredEvent } from "../../../src/store/eventStore.ts";
import { stateFolderPaths } from "../../../src/store/folder/stateFolder.ts";
import { openEventReader } from "../../../src/store/lmdb/eventReader.ts";

/** Calls a function with the opened log. */
export async function withEventLog<T>(stateDir: string, read: (log: EventReader) => T): Promise<T> {
  const log = await openEventReader(stateFolderPaths(stateDir).events);
  try {
    return read(log);
  } finally {
    await log.close();
  }
}

/** All stored events of a task. */
export function eventsOf(stateDir: string, taskId: string): Promise<StoredEvent[]> {
  return withEventLog(stateDir, (log) => [...log.readStream(taskId)]);
}
