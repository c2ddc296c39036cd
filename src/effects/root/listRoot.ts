/** Lists files as a running task sees them. Symlinks are followed within the task's root. */
import { closeSync, fstatSync, lstatSync, readdirSync, readlinkSync, type Stats } from "node:fs";
import { posix } from "node:path";
import { DriverError } from "../../base/errors.ts";
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
  /** The path in the task, without symlinks. */
  readonly path: string;
  readonly kind: "folder" | "file" | "link" | "device" | "socket" | "fifo";
  /** The target, if the entry is a symlink. */
  readonly target?: string;
}

/** The root of a running task. Holds a descriptor until it is disposed of. */
export class TaskRootView implements Disposable {
  /** Descriptor of the root. */
  readonly root: number;

  /**
   * @param init the init of the task's run
   * @throws DriverError `TASK_NOT_RUNNING` if init has exited
   */
  constructor(init: ProcessIdentity) {
    const root = tryOpenat2(AT_FDCWD, `/proc/${init.pid}/root`, { flags: O_PATH | O_DIRECTORY });
    if (typeof root === "number" && isSameProcess(init)) {
      this.root = root;
      return;
    }
    if (typeof root === "number") closeSync(root);
    throw new DriverError("TASK_NOT_RUNNING", "the task has ended");
  }

  /** Resolves the symlinks in a path; undefined if nothing is there. */
  resolve(path: string): string | undefined {
    return this.#look(path, (descriptor) => readlinkSync(`/proc/self/fd/${descriptor}`));
  }

  /** The status of the file to which a path leads; undefined if nothing is there. */
  stat(path: string): Stats | undefined {
    return this.#look(path, (descriptor) => fstatSync(descriptor));
  }

  /** The entries of a folder, sorted by name, or the file itself. Undefined if nothing is there. */
  list(path: string): readonly RootEntry[] | undefined {
    return this.#look(path, (descriptor) => {
      const open = `/proc/self/fd/${descriptor}`;
      const real = readlinkSync(open);
      const status = fstatSync(descriptor);
      if (!status.isDirectory()) return [entryOf(real, status)];
      return readdirSync(open)
        .toSorted()
        .flatMap((name) => {
          const found = lstatSync(`${open}/${name}`, { throwIfNoEntry: false });
          if (found === undefined) return [];
          const link = found.isSymbolicLink() ? { target: readlinkSync(`${open}/${name}`) } : {};
          return [{ ...entryOf(posix.join(real, name), found), ...link }];
        });
    });
  }

  /** A descriptor (`O_PATH`) of the file to which a path leads; undefined if nothing is there. The caller closes it. */
  open(path: string): number | undefined {
    const resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
    const opened = tryOpenat2(this.root, path, { flags: O_PATH, resolve });
    return typeof opened === "number" ? opened : undefined;
  }

  [Symbol.dispose](): void {
    closeSync(this.root);
  }

  #look<T>(path: string, work: (descriptor: number) => T): T | undefined {
    const opened = this.open(path);
    if (opened === undefined) return undefined;
    try {
      return work(opened);
    } finally {
      closeSync(opened);
    }
  }
}

function entryOf(path: string, status: Stats): RootEntry {
  return { name: posix.basename(path), path, kind: kindOf(status) };
}

function kindOf(status: Stats): RootEntry["kind"] {
  if (status.isDirectory()) return "folder";
  if (status.isSymbolicLink()) return "link";
  if (status.isSocket()) return "socket";
  if (status.isFIFO()) return "fifo";
  return status.isFile() ? "file" : "device";
}
