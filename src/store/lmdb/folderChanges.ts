/** Detects by inotify(7), without polling, that another process has written to the log. */
import { watch } from "node:fs";
import { Observable, share } from "rxjs";
import { storeError } from "../storeError.ts";

/**
 * Emits after each write to a file of the folder. The last write of a commit is the one that makes the commit
 * visible to readers.
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
