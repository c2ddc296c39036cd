/** The event log of a plugin, read beside it. */
import type { EventReader, StoredEvent } from "../../../src/store/eventStore.ts";
import { stateFolderPaths } from "../../../src/store/folder/stateFolder.ts";
import { openEventReader } from "../../../src/store/lmdb/eventReader.ts";

/** Lets a function read the log. */
export async function withEventLog<T>(stateDir: string, read: (log: EventReader) => T): Promise<T> {
  const log = await openEventReader(stateFolderPaths(stateDir).events);
  try {
    return read(log);
  } finally {
    await log.close();
  }
}

/** All that is stored of a task. */
export function eventsOf(stateDir: string, taskId: string): Promise<StoredEvent[]> {
  return withEventLog(stateDir, (log) => [...log.readStream(taskId)]);
}
