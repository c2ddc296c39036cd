/**
 * Detects changes in folders by inotify(7). Unlike fs.watch(), this watch also reports that a process has
 * closed a file. So it notices the end of a process, because the kernel then closes all files of the process.
 * The kernel reports changes by a signal (fcntl(2), `O_ASYNC`), because libuv cannot wait for a descriptor of
 * this kind. The signal is SIGURG, which is ignored by default.
 */
import { closeSync } from "node:fs";
import { hasErrno } from "../../base/errors.ts";
import { IN_CLOSE_WRITE, SIGURG } from "../../effects/kernel/constants.ts";
import { drainInotify, inotifyAddWatch, inotifyInit, NAME_CHANGES } from "../../effects/kernel/inotify.ts";
import { setReadSignal } from "../../effects/kernel/sockets.ts";

export class FolderWatch implements Disposable {
  readonly #inotify = inotifyInit();
  readonly #changed: () => void;
  readonly #onSignal = () => this.#drain();
  #isClosed = false;

  /**
   * @param changed called after changes, once for all changes that came together
   * @throws DriverError `KERNEL_CALL_FAILED`, for example if the user has no inotify instance left
   */
  constructor(changed: () => void) {
    this.#changed = changed;
    process.on("SIGURG", this.#onSignal);
    setReadSignal(this.#inotify, SIGURG);
  }

  /**
   * Watches a folder's entries and the folder itself, but not the entries of its subfolders. Adding a folder
   * again changes nothing.
   * @returns false if there is no such folder
   * @throws DriverError `KERNEL_CALL_FAILED`, for example if the user has no watches left
   */
  add(folder: string): boolean {
    try {
      inotifyAddWatch(this.#inotify, folder, NAME_CHANGES | IN_CLOSE_WRITE);
      return true;
    } catch (thrown) {
      if (hasErrno(thrown, "ENOENT") || hasErrno(thrown, "ENOTDIR")) return false;
      throw thrown;
    }
  }

  /** A second call does nothing, because another file may have the descriptor's number by then. */
  [Symbol.dispose](): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    process.off("SIGURG", this.#onSignal);
    closeSync(this.#inotify);
  }

  /** The signal may also have come from another source. */
  #drain(): void {
    if (drainInotify(this.#inotify)) this.#changed();
  }
}
