/**
 * Numbers of the system calls that a launch plan uses, for each architecture:
 * `asm/unistd_64.h` for x86-64, `asm-generic/unistd.h` for arm64.
 */

/** Values of Node's `process.arch`. */
export type Architecture = "x64" | "arm64";

/** [x86-64, arm64] */
const numbers = {
  read: [0, 63],
  write: [1, 64],
  close: [3, 57],
  munmap: [11, 215],
  rt_sigprocmask: [14, 135],
  ioctl: [16, 29],
  pread64: [17, 67],
  pwrite64: [18, 68],
  socket: [41, 198],
  execve: [59, 221],
  wait4: [61, 260],
  kill: [62, 129],
  chdir: [80, 49],
  fchdir: [81, 50],
  umask: [95, 166],
  setsid: [112, 157],
  setgroups: [116, 159],
  setresuid: [117, 147],
  setresgid: [119, 149],
  capset: [126, 91],
  setpriority: [141, 140],
  prctl: [157, 167],
  mount: [165, 40],
  sethostname: [170, 161],
  exit_group: [231, 94],
  keyctl: [250, 219],
  openat: [257, 56],
  mkdirat: [258, 34],
  unlinkat: [263, 35],
  ppoll: [271, 73],
  unshare: [272, 97],
  dup3: [292, 24],
  prlimit64: [302, 261],
  setns: [308, 268],
  open_tree: [428, 428],
  move_mount: [429, 429],
  clone3: [435, 435],
  close_range: [436, 436],
  openat2: [437, 437],
  mount_setattr: [442, 442],
  landlock_add_rule: [445, 445],
  landlock_restrict_self: [446, 446],
} as const satisfies Record<string, readonly [number, number]>;

export type SystemCall = keyof typeof numbers;

/** Names of all system calls known here. */
export const systemCalls = Object.keys(numbers) as readonly SystemCall[];

export function systemCallNumber(call: SystemCall, architecture: Architecture): number {
  return numbers[call][architecture === "x64" ? 0 : 1];
}
