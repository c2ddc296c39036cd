/** Opens the event log. Quarantines a damaged one and begins a new one. */
import { DriverError } from "../../errors.ts";
import type { Logger } from "../../log/hclog.ts";
import type { EventStore } from "../../store/eventStore.ts";
import { quarantine } from "../../store/folder/logFolders.ts";
import { openEventStore } from "../../store/lmdb/lmdbEventStore.ts";

/**
 * @param path the log's folder
 * @param initialize reads what the driver needs from the log; if it throws `STORE_DAMAGED`, the log counts as
 * damaged
 * @throws DriverError `STORE_FAILED` if the log cannot be opened for now
 */
export async function openLog<T>(
  path: string,
  log: Logger,
  initialize: (store: EventStore) => Promise<T>,
): Promise<{ readonly store: EventStore; readonly initialized: T }> {
  const open = async () => {
    const store = await openEventStore(path);
    try {
      return { store, initialized: await initialize(store) };
    } catch (thrown) {
      await store.close();
      throw thrown;
    }
  };
  try {
    return await open();
  } catch (thrown) {
    if (!(thrown instanceof DriverError) || thrown.code !== "STORE_DAMAGED") throw thrown;
    const aside = quarantine(path, new Date());
    const { code, message } = thrown;
    log.error("the event log is set aside, and a new one is begun", {
      code,
      error: message,
      set_aside: aside,
    });
    return open();
  }
}
