/** Detects that another process has written to the log: inotify(7), no polling. */
import { watch } from "node:fs";
import { Observable, share } from "rxjs";
import { storeError } from "../storeError.ts";

/** Emits after each write to a file of the folder. A commit's last write makes it visible to readers. */
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
