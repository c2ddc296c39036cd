/** Follows the events of a run as they are stored, for `run --verbose`. */
import type { StoredEvent } from "../../../store/eventStore.ts";
import { stateFolderPaths } from "../../../store/folder/stateFolder.ts";
import { follow } from "../../../store/follow.ts";
import { folderChanges, openEventReader } from "../../../store/lmdb/eventReader.ts";

export interface EventFeed {
  /** Shows the events stored so far, then stops. */
  close(): Promise<void>;
}

/** @param stateDir the state folder of a plugin that has already opened its log */
export async function followEvents(stateDir: string, show: (event: StoredEvent) => void): Promise<EventFeed> {
  const { events } = stateFolderPaths(stateDir);
  const reader = await openEventReader(events);
  let last = reader.lastPosition();
  const next = (event: StoredEvent) => {
    last = event.position;
    show(event);
  };
  const subscription = follow(reader, folderChanges(events), last + 1).subscribe(next);
  return {
    close: async () => {
      subscription.unsubscribe();
      for (const event of reader.readIntact(last + 1)) show(event);
      await reader.close();
    },
  };
}
