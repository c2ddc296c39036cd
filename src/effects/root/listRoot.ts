/** Lists files as a running task sees them. Its symlinks are followed within its root. */
import { closeSync, fstatSync, lstatSync, readdirSync, readlinkSync, type Stats } from "node:fs";
import { DriverError } from "../../errors.ts";
import {
  AT_FDCWD,
  O_DIRECTORY,
  O_PATH,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_MAGICLINKS,
} from "../kernel/constants.ts";
import { tryOpenat2 } from "../kernel/libc.ts";
import { isSameProcess, type ProcessIdentity } from "../processes/processIdentity.ts";

export interface RootEntry {
  readonly name: string;
  readonly kind: "folder" | "file" | "link" | "device" | "socket" | "fifo";
  /** Of a symlink. */
  readonly target?: string;
}

/** The root of a running task. To be closed. */
export class TaskRootView implements Disposable {
  readonly #root: number;

  /**
   * @param init of the task's run
   * @throws DriverError `TASK_NOT_RUNNING` if it has exited
   */
  constructor(init: ProcessIdentity) {
    const root = tryOpenat2(AT_FDCWD, `/proc/${init.pid}/root`, { flags: O_PATH | O_DIRECTORY });
    if (typeof root === "number" && isSameProcess(init)) {
      this.#root = root;
      return;
    }
    if (typeof root === "number") closeSync(root);
    throw new DriverError("TASK_NOT_RUNNING", "the task has ended");
  }

  /** The path without symlinks; undefined if nothing is there. */
  resolve(path: string): string | undefined {
    return this.#look(path, (descriptor) => readlinkSync(`/proc/self/fd/${descriptor}`));
  }

  /** The entries of a folder, sorted by name, or the file itself. Undefined if nothing is there. */
  list(path: string): RootEntry[] | undefined {
    return this.#look(path, (descriptor) => {
      const status = fstatSync(descriptor);
      if (!status.isDirectory()) return [entryOf(path.slice(path.lastIndexOf("/") + 1), status)];
      const folder = `/proc/self/fd/${descriptor}`;
      return readdirSync(folder)
        .toSorted()
        .flatMap((name) => {
          const found = lstatSync(`${folder}/${name}`, { throwIfNoEntry: false });
          if (found === undefined) return [];
          const link = found.isSymbolicLink() ? { target: readlinkSync(`${folder}/${name}`) } : {};
          return [{ ...entryOf(name, found), ...link }];
        });
    });
  }

  [Symbol.dispose](): void {
    closeSync(this.#root);
  }

  #look<T>(path: string, work: (descriptor: number) => T): T | undefined {
    const resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
    const opened = tryOpenat2(this.#root, path, { flags: O_PATH, resolve });
    if (typeof opened !== "number") return undefined;
    try {
      return work(opened);
    } finally {
      closeSync(opened);
    }
  }
}

function entryOf(name: string, status: Stats): RootEntry {
  if (status.isDirectory()) return { name, kind: "folder" };
  if (status.isSymbolicLink()) return { name, kind: "link" };
  if (status.isSocket()) return { name, kind: "socket" };
  if (status.isFIFO()) return { name, kind: "fifo" };
  return { name, kind: status.isFile() ? "file" : "device" };
}
