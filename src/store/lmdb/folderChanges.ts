/** Detects that another process has written to the log: inotify(7), no polling. */
import { watch } from "node:fs";
import { Observable, share } from "rxjs";
import { storeError } from "../storeError.ts";

/**
 * Emits when a file of the folder is written, and once more a moment later.
 *
 * The first emit follows the write of LMDB's meta page. LMDB publishes the commit
 * to readers some nanoseconds after that write. If the writer is suspended in
 * between, a reader that looks at once is too early: hence the second emit. If
 * the writer is suspended for longer, the checkpoint covers it: that follows every
 * commit a tenth of a second later, and is written to the same folder.
 */
export function folderChanges(folder: string): Observable<void> {
  return new Observable<void>((subscriber) => {
    let timer: NodeJS.Timeout | undefined;
    const emitAgain = () => {
      timer = undefined;
      subscriber.next();
    };
    try {
      const watcher = watch(folder, () => {
        subscriber.next();
        timer ??= setTimeout(emitAgain, againAfterMs);
      });
      watcher.on("error", (thrown) => subscriber.error(storeError(thrown, "watch", folder)));
      subscriber.add(() => {
        watcher.close();
        clearTimeout(timer);
      });
    } catch (thrown) {
      subscriber.error(storeError(thrown, "watch", folder));
    }
  }).pipe(share());
}

const againAfterMs = 3;
