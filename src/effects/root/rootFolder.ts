/**
 * The folder of `root_dir`, of which a task's private root is made. Whoever unpacked it may have put anything into it,
 * and a task may change it at any time. So nothing in it is trusted: it is opened without symlinks on the way to it,
 * its own symlinks are followed within it only, and the driver writes nothing into it. It is the lowest layer of the
 * task's root: overlayfs(5). The layer above has the driver's own folders and mount points, so no name of the folder can
 * stand in their place.
 */
import { closeSync, fstatSync, lstatSync, opendirSync, type Stats, statSync } from "node:fs";
import { DriverError } from "../../base/errors.ts";
import {
  AT_FDCWD,
  O_DIRECTORY,
  O_PATH,
  RESOLVE_BENEATH,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_MAGICLINKS,
  RESOLVE_NO_SYMLINKS,
} from "../kernel/constants.ts";
import { tryOpenat2 } from "../kernel/libc.ts";
import { hostPath, mountAround, type PlacedMount, rootDirPlace, type TaskFolders } from "../layout/layout.ts";
import { isAtOrBelow } from "../paths/paths.ts";
import type { RootDirEntry as RootEntry } from "../unveil/unveilRules.ts";

/** An opened folder. */
export class RootFolder implements Disposable {
  /** As the job names it. */
  readonly name: string;
  /** `O_PATH` descriptor. */
  readonly descriptor: number;
  readonly #view: { readonly folders: TaskFolders; readonly mounts: readonly PlacedMount[] };

  /**
   * @param name as in `root_dir`: a path in the task's folder or in `alloc`
   * @param mounts the task's volumes
   * @throws DriverError `ROOT_DIR_INVALID`
   */
  constructor(name: string, folders: TaskFolders, mounts: readonly PlacedMount[]) {
    const { anchor, rest } = rootDirPlace(name, folders);
    this.name = name;
    this.#view = { folders, mounts };
    const around = tryOpenat2(AT_FDCWD, anchor, { flags: O_PATH, resolve: RESOLVE_NO_MAGICLINKS });
    if (typeof around !== "number") throw notOpened(name, around.errno);
    try {
      const resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
      const opened = tryOpenat2(around, rest, { flags: O_PATH | O_DIRECTORY, resolve });
      if (typeof opened !== "number") throw notOpened(name, opened.errno);
      this.descriptor = opened;
    } finally {
      closeSync(around);
    }
  }

  /**
   * The status of the file to which a path of the task leads; undefined if nothing is there. A symlink of the folder
   * into another part of the task's root counts as a path in the folder, too.
   */
  stat(path: string): Stats | undefined {
    const { folders, mounts } = this.#view;
    const isHosts =
      mountAround(path, mounts) !== undefined ||
      Object.values<string>({ ...folders }).some((folder) => isAtOrBelow(path, folder));
    if (isHosts) return statusOf(() => statSync(hostPath(path, mounts), { throwIfNoEntry: false }));
    const resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
    const opened = tryOpenat2(this.descriptor, path, { flags: O_PATH, resolve });
    if (typeof opened !== "number") return undefined;
    try {
      return fstatSync(opened);
    } finally {
      closeSync(opened);
    }
  }

  /**
   * The outermost files and folders whose contents are the folder's alone.
   * @param others paths of the root that are not the folder's, such as /proc
   * @throws DriverError `ROOT_DIR_INVALID` if there are too many
   */
  entries(others: readonly string[]): RootEntry[] {
    const found: RootEntry[] = [];
    let names = 0;
    const take = () => {
      names += 1;
      if (names > maxNames)
        throw tooMany(
          this.name,
          `${maxNames} names at its top, or in folders with paths that are not its own`,
        );
    };
    const look = (folder: string) => {
      for (const entry of this.#list(folder, take)) {
        const { path, kind } = entry;
        if (others.includes(path)) continue;
        if (kind === "folder" && others.some((other) => isAtOrBelow(other, path))) look(path);
        else if (found.push(entry) > maxEntries)
          throw tooMany(this.name, `${maxEntries} files and folders at its top`);
      }
    };
    look("/");
    return found;
  }

  [Symbol.dispose](): void {
    closeSync(this.descriptor);
  }

  /**
   * Files and folders in a folder of the task's root, without symlinks.
   * @param take is called with each name that the folder has, before the next one is read
   */
  #list(folder: string, take: () => void): RootEntry[] {
    const resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS;
    const opened = tryOpenat2(this.descriptor, folder, { flags: O_PATH | O_DIRECTORY, resolve });
    if (typeof opened !== "number") return [];
    try {
      return namesIn(`/proc/self/fd/${opened}`, take)
        .toSorted()
        .flatMap((name): RootEntry[] => {
          const status = statusOf(() =>
            lstatSync(`/proc/self/fd/${opened}/${name}`, { throwIfNoEntry: false }),
          );
          const path = `${folder === "/" ? "" : folder}/${name}`;
          if (status?.isDirectory()) return [{ path, kind: "folder" }];
          return status?.isFile() ? [{ path, kind: "file" }] : [];
        });
    } finally {
      closeSync(opened);
    }
  }
}

/** Each entry takes a rule, which init adds. */
const maxEntries = 256;

/** Names to look at, also those of symlinks, which take no rule: some 15 ms. */
const maxNames = 4_096;

/** Reads a few names at a time, since a task's folder may have any number of them. */
function namesIn(path: string, take: () => void): string[] {
  const folder = opendirSync(path, { bufferSize: 128 });
  try {
    const names: string[] = [];
    for (let entry = folder.readSync(); entry !== null; entry = folder.readSync()) {
      take();
      names.push(entry.name);
    }
    return names;
  } finally {
    folder.closeSync();
  }
}

function notOpened(name: string, errno: string): DriverError {
  const [problem, hint] = problems[errno] ?? [
    "cannot be opened",
    "Look at the file system of the task's folder",
  ];
  return new DriverError("ROOT_DIR_INVALID", `root_dir ${JSON.stringify(name)} ${problem}`, {
    failed: { call: "openat2", path: name, errno },
    hint,
  });
}

const missing = [
  "does not exist",
  "Unpack an artifact there: its destination is relative to the task's folder",
] as const;
const isLink = ["leads through a symlink", "Name the folder that it leads to"] as const;
const problems: Readonly<Record<string, readonly [problem: string, hint: string]>> = {
  ENOENT: missing,
  ENOTDIR: ["is not a folder", "Name a folder that has a root file system: with bin, usr, etc"],
  ELOOP: isLink,
  EXDEV: isLink,
};

function tooMany(name: string, what: string): DriverError {
  return new DriverError("ROOT_DIR_INVALID", `root_dir ${JSON.stringify(name)} has more than ${what}`, {
    hint: "Name the folder that has the root file system itself: with bin, usr, etc",
  });
}

/** Undefined for a path that cannot be reached. */
function statusOf(look: () => Stats | undefined): Stats | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}
