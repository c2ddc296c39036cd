/** Opens the event log, or a new one where what is there cannot be used any more. */
import { DriverError } from "../../errors.ts";
import type { Logger } from "../../log/hclog.ts";
import type { EventStore } from "../../store/eventStore.ts";
import { quarantine } from "../../store/folder/quarantine.ts";
import { openEventStore } from "../../store/lmdb/lmdbEventStore.ts";

/**
 * @param path the log's folder
 * @param begin reads in the log what has to be readable for the driver to work
 * @throws DriverError `STORE_FAILED` where the log cannot be opened for now
 */
export async function openLog<T>(
  path: string,
  log: Logger,
  begin: (store: EventStore) => Promise<T>,
): Promise<{ readonly store: EventStore; readonly begun: T }> {
  const open = async () => {
    const store = await openEventStore(path);
    try {
      return { store, begun: await begin(store) };
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
