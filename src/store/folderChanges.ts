/** Noticing that another process has written to the log: inotify(7), no polling. */
import { watch } from "node:fs";
import { Observable, share } from "rxjs";
import { storeError } from "./storeError.ts";

/**
 * Emits when files of the folder were written to.
 *
 * A commit is noticed by the write of LMDB's meta page, some nanoseconds before
 * readers are told of it: whoever looks at once may be too early, if the writer
 * is suspended right then. The checkpoint that follows every commit is written
 * to the same folder, so there is always a second call after that.
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
