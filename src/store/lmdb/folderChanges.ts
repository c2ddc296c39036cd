/** Noticing that another process has written to the log: inotify(7), no polling. */
import { watch } from "node:fs";
import { Observable, share } from "rxjs";
import { storeError } from "../storeError.ts";

/**
 * Emits when files of the folder were written to, and once more a moment later.
 *
 * A commit is noticed by the write of LMDB's meta page, some nanoseconds before
 * readers are told of it: whoever looks at once may be too early, if the writer
 * is suspended right then. Hence the second call. Should the writer have been
 * suspended for longer, the checkpoint that follows every commit, a tenth of a
 * second later, is written to the same folder.
 */
export function folderChanges(folder: string): Observable<void> {
  return new Observable<void>((subscriber) => {
    let again: NodeJS.Timeout | undefined;
    const lookAgain = () => {
      again = undefined;
      subscriber.next();
    };
    try {
      const watcher = watch(folder, () => {
        subscriber.next();
        again ??= setTimeout(lookAgain, momentMs);
      });
      watcher.on("error", (thrown) => subscriber.error(storeError(thrown, "watch", folder)));
      subscriber.add(() => {
        watcher.close();
        clearTimeout(again);
      });
    } catch (thrown) {
      subscriber.error(storeError(thrown, "watch", folder));
    }
  }).pipe(share());
}

const momentMs = 3;
