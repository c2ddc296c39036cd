/** Opens event logs for reading without LMDB, even while the plugin writes to them. */
import { watch } from "node:fs";
import { Observable, share } from "rxjs";
import { DriverError } from "../../base/errors.ts";
import { bootId } from "../../effects/kernel/kernelFiles.ts";
import type { EventReader } from "../eventStore.ts";
import { logFiles } from "../folder/logFolders.ts";
import { LogReader } from "../logReader.ts";
import { storeError } from "../storeError.ts";
import { usageIn } from "../usage/usageFile.ts";
import { FileTable } from "./fileTable.ts";
import { checkLayout, inspectLog, LAYOUT_KEY, noLog } from "./lmdbFile.ts";
import { SnapshotReader } from "./snapshotReader.ts";

/**
 * @param boot the current boot; set by tests that simulate a power cut
 * @throws DriverError `STORE_FAILED` if there is no log, or if the plugin has to repair it first
 * @throws DriverError `STORE_DAMAGED` if nothing in the log can be read
 */
export async function openEventReader(folder: string, boot = bootId()): Promise<EventReader> {
  const { data } = inspectLog(folder, boot);
  if (data === "missing") throw noLog(folder);
  if (data === "torn") {
    const summary = `the event log in ${folder} was cut off when the machine went down`;
    throw new DriverError("STORE_FAILED", summary, { hint: "The plugin repairs it when it starts" });
  }
  let reader: SnapshotReader | undefined;
  try {
    reader = new SnapshotReader(logFiles(folder).data);
    checkLayout(
      reader.read((snapshot) => snapshot.value(LAYOUT_KEY)),
      folder,
    );
    return new LogReader(new FileTable(reader), usageIn(folder));
  } catch (thrown) {
    reader?.close();
    throw storeError(thrown, "open", folder);
  }
}

/**
 * Emits after each write of another process to a file of the log: inotify(7), without polling. The last write
 * of a commit is the one that makes the commit visible to readers.
 */
export function folderChanges(folder: string): Observable<void> {
  return new Observable<void>((subscriber) => {
    try {
      const watcher = watch(folder, () => subscriber.next());
      watcher.on("error", (thrown) => subscriber.error(storeError(thrown, "watch", folder)));
      subscriber.add(() => watcher.close());
    } catch (thrown) {
      subscriber.error(storeError(thrown, "watch", folder));
    }
  }).pipe(share());
}
