/**
 * What a host may be short of, and the host calls that fail for lack of it, with the errors that their man
 * pages name. Pure.
 */
import type { Random } from "../crash/random.ts";

/** The errors of each host call, by its name in the trace. */
const errors: Readonly<Record<string, readonly string[]>> = {
  open: ["EMFILE", "ENFILE", "ENOMEM"],
  // A file of the kernel or of the state folder, from openat(2) to close(2).
  "read file": ["EMFILE", "ENFILE", "ENOMEM", "EIO"],
  stat: ["ENOMEM", "EIO"],
  statfs: ["ENOMEM", "EIO"],
  realpath: ["ENOMEM", "EIO"],
  readdir: ["EMFILE", "ENFILE", "ENOMEM", "EIO"],
  readlink: ["ENOMEM"],
  rm: ["EMFILE", "ENOMEM", "EIO"],
  rename: ["ENOSPC", "ENOMEM", "EIO"],
  mkdir: ["ENOSPC", "ENOMEM", "EIO"],
  mkfifo: ["ENOSPC", "ENOMEM", "EIO"],
  "write file": ["EMFILE", "ENFILE", "ENOSPC", "EIO"],
  rmdir: ["ENOMEM"],
  pidfd_open: ["EMFILE", "ENFILE", "ENOMEM"],
  pipe2: ["EMFILE", "ENFILE"],
  inotify_add_watch: ["EMFILE", "ENOSPC", "ENOMEM"],
  "begin launch": ["EMFILE", "ENFILE", "ENOMEM", "EAGAIN"],
  "begin command": ["EMFILE", "ENFILE", "ENOMEM", "EAGAIN"],
  "begin logger": ["EMFILE", "ENFILE", "ENOMEM", "EAGAIN"],
  "open log folder": ["EMFILE", "ENFILE", "ENOMEM", "EIO"],
  "write log": ["EMFILE", "ENOSPC", "EIO"],
  setxattr: ["ENOSPC", "ENOMEM"],
  "write late plan": ["ENOSPC", "ENOMEM"],
  commit: ["ENOSPC", "EIO"],
  "bpf create": ["EMFILE", "ENFILE", "ENOMEM"],
  "bpf load": ["EMFILE", "ENFILE", "ENOMEM"],
  "bpf open": ["EMFILE", "ENFILE", "ENOMEM"],
  "bpf attach": ["ENOMEM"],
  "bpf update": ["ENOMEM"],
};

/** The errors that a host call can have; none for a call that needs nothing. */
export function errorsOf(call: string): readonly string[] {
  return errors[call] ?? [];
}

/** Whether an error's text names an error of a shortage. */
export function namesShortage(text: string): boolean {
  return /\b(EMFILE|ENFILE|ENOMEM|EIO|ENOSPC|EAGAIN)\b/.test(text);
}

/** Decides which calls of a history fail. */
export interface Shortages {
  /** @returns the errno with which the call fails; undefined if it does not */
  failureOf(call: string): string | undefined;
}

/** A host that is never short of anything. */
export const plenty: Shortages = { failureOf: () => undefined };

/** Single calls fail, now and then. */
export function scattered(random: Random, perThousand: number): Shortages {
  return {
    failureOf: (call) => {
      const possible = errorsOf(call);
      return possible.length > 0 && random.below(1_000) < perThousand ? random.pick(possible) : undefined;
    },
  };
}

/** For some time, most calls fail that need what the host lacks. @param now milliseconds */
export function phases(random: Random, now: () => number): Shortages {
  const lacks = random.pick(["EMFILE", "ENFILE", "ENOMEM", "EIO", "ENOSPC", "EAGAIN"]);
  const [everyMs, forMs] = [random.pick([300, 1_500, 4_000]), random.pick([5, 60, 700])];
  const offset = random.below(everyMs);
  return {
    failureOf: (call) => {
      if (!errorsOf(call).includes(lacks) || (now() + offset) % everyMs >= forMs) return undefined;
      return random.chance(80) ? lacks : undefined;
    },
  };
}

/** Exactly one call fails. @param nth which of the calls of this name, from 1 on */
export function once(call: string, nth: number, errno: string): Shortages {
  let count = 0;
  return {
    failureOf: (each) => {
      if (each !== call) return undefined;
      count += 1;
      return count === nth ? errno : undefined;
    },
  };
}
