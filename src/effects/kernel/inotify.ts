/** inotify(7): the kernel reports changes in folders. */
import { readSync } from "node:fs";
import { errnoOf } from "../../base/errors.ts";
import { libc } from "./bindings.ts";
import * as k from "./constants.ts";
import { checked } from "./libc.ts";

/** Changes of the names in a folder, and of the folder itself. Only folders can be watched with this mask. */
export const NAME_CHANGES =
  k.IN_CREATE |
  k.IN_DELETE |
  k.IN_MOVED_FROM |
  k.IN_MOVED_TO |
  k.IN_DELETE_SELF |
  k.IN_MOVE_SELF |
  k.IN_ONLYDIR;

/** inotify_init1(2): a close-on-exec descriptor whose reads do not block. */
export function inotifyInit(): number {
  return checked(libc().inotifyInit(k.O_CLOEXEC | k.O_NONBLOCK), "inotify_init1");
}

/**
 * inotify_add_watch(2). Watching a folder again with the same mask changes nothing.
 * @param mask `IN_…` bits
 */
export function inotifyAddWatch(inotify: number, path: string, mask: number): void {
  checked(libc().inotifyAddWatch(inotify, path, mask), "inotify_add_watch", path);
}

const events = Buffer.alloc(4096);

/** Reads all pending events. @returns whether there were any */
export function drainInotify(inotify: number): boolean {
  let found = false;
  try {
    while (readSync(inotify, events) > 0) found = true;
  } catch (thrown) {
    if (errnoOf(thrown) !== "EAGAIN") throw thrown;
  }
  return found;
}
