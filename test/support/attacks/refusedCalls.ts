/** System calls that the default profile refuses, and a program that makes them. */
import {
  type Architecture,
  type SystemCallName,
  systemCallNumber,
} from "../../../src/effects/kernel/systemCalls.ts";

const nowhere = "/nonexistent/file";
const AT_FDCWD = -100;
const O_CREAT = 0o101;
const setUid = 0o4755;

/** Calls that each group of the default profile refuses. The arguments make the kernel do nothing. */
export const refusedCalls: Readonly<Record<string, readonly Call[]>> = {
  mount: [
    ["mount", 0, 0, 0, 0, 0],
    ["umount2", 0, 0],
    ["pivot_root", 0, 0],
    ["move_mount", -1, "x", -1, "y", 0],
    ["open_tree", -1, "x", 0],
    ["open_tree_attr", -1, "x", 0, 0, 0],
    ["fsopen", 0, 0],
    ["fsconfig", -1, 0, 0, 0, 0],
    ["fsmount", -1, 0, 0],
    ["fspick", -1, "x", 0],
    ["mount_setattr", -1, "x", 0, 0, 0],
  ],
  mount_info: [
    ["statmount", 0, 0, 0, 0],
    ["listmount", 0, 0, 0, 0],
    ["listns", 0, 0, 0, 0],
  ],
  namespace: [
    ["unshare", 0x10000000],
    ["clone", 0x10000000 + 0x200, 0, 0, 0, 0], // CLONE_NEWUSER with CLONE_FS, which the kernel rejects as invalid
    ["setns", -1, 0],
    ["clone3", 0, 0],
  ],
  hostname: [
    ["sethostname", 0, -1],
    ["setdomainname", 0, -1],
  ],
  keyring: [
    ["add_key", 0, 0, 0, 0, 0],
    ["request_key", 0, 0, 0, 0],
    ["keyctl", 9999, 0, 0, 0, 0],
  ],
  bpf: [["bpf", 9999, 0, 0]],
  perf: [["perf_event_open", 0, 0, 0, 0, 0]],
  userfaultfd: [["userfaultfd", 0x10]],
  aio: [
    ["io_setup", 0, 0],
    ["io_destroy", 0],
    ["io_submit", 0, 0, 0],
    ["io_cancel", 0, 0, 0],
    ["io_getevents", 0, 0, 0, 0, 0],
    ["io_pgetevents", 0, 0, 0, 0, 0, 0],
  ],
  other_process: [
    ["prlimit64", -1, 0, 0, 0],
    ["sched_setaffinity", -1, 0, 0],
    ["sched_setscheduler", -1, 0, 0],
    ["sched_setparam", -1, 0],
    ["sched_setattr", -1, 0, 0],
    ["setpriority", 0, -1, 0],
    ["setpriority", 1, -1, 0],
    ["setpriority", 2, -2, 0],
    ["ioprio_set", 1, -1, 0],
    ["ioprio_set", 2, -1, 0],
    ["ioprio_set", 3, -2, 0],
  ],
  io_uring: [
    ["io_uring_setup", 0, 0],
    ["io_uring_enter", -1, 0, 0, 0, 0, 0],
    ["io_uring_register", -1, 0, 0, 0],
  ],
  module: [
    ["init_module", 0, 0, 0],
    ["finit_module", -1, 0, 0],
    ["delete_module", 0, 0],
  ],
  reboot: [
    ["reboot", 0, 0, 0, 0],
    ["kexec_load", 0, 0, 0, 0xffff],
    ["kexec_file_load", -1, -1, 0, 0, 0xffff],
  ],
  clock: [
    ["settimeofday", 1, 0],
    ["clock_settime", 9999, 0],
  ],
  swap: [
    ["swapon", 0, 0],
    ["swapoff", 0],
  ],
  quota: [
    ["quotactl", -1, 0, 0, 0],
    ["quotactl_fd", -1, 0, 0, 0],
  ],
  accounting: [["acct", nowhere]],
  log: [["syslog", 99, 0, 0]],
  raw_io: [
    ["ioperm", -1, 1, 1],
    ["iopl", 4],
  ],
  chroot: [["chroot", 0]],
  handle: [
    ["open_by_handle_at", -1, 0, 0],
    ["name_to_handle_at", -1, 0, 0, 0, 0],
  ],
  fanotify: [["fanotify_init", -1, 0]],
  set_id: [
    ["chmod", nowhere, setUid],
    ["chmod", nowhere, 0o2755],
    ["fchmod", -1, setUid],
    ["creat", nowhere, setUid],
    ["mknod", nowhere, setUid, 0],
    ["fchmodat", AT_FDCWD, nowhere, setUid],
    ["fchmodat2", AT_FDCWD, nowhere, setUid, 0],
    ["mknodat", AT_FDCWD, nowhere, setUid, 0],
    ["open", nowhere, O_CREAT, setUid],
    ["openat", AT_FDCWD, nowhere, O_CREAT, setUid],
    ["openat2", AT_FDCWD, nowhere, 0, 0],
  ],
  personality: [["personality", 0x0100000]], // MMAP_PAGE_ZERO
  memory_map: [["prctl", 35, 14, 0, 0, 0]], // PR_SET_MM, PR_SET_MM_MAP
  terminal: [
    ["ioctl", -1, 0x5412, 0], // TIOCSTI
    ["ioctl", -1, 0x541c, 0], // TIOCLINUX
  ],
  hangup: [["vhangup"]],
  socket: [
    ["socket", 40, 1, 0], // AF_VSOCK
    ["socket", 38, 5, 0], // AF_ALG
    ["socket", 29, 3, 1], // AF_CAN
    ["socket", 9999, 1, 0],
  ],
  packet: [
    ["socket", 17, 3, 0],
    ["socket", 44, 3, 0],
  ],
  netlink: [
    ["socket", 16, 3, 2], // NETLINK_USERSOCK
    ["socket", 16, 3, 4], // NETLINK_SOCK_DIAG
    ["socket", 16, 3, 12], // NETLINK_NETFILTER
  ],
  audit: [["socket", 16, 3, 9]],
  obsolete: [
    ["uselib", 0],
    ["ustat", 0, 0],
    ["sysfs", 99, 0, 0],
    ["lookup_dcookie", 0, 0, 0],
    ["modify_ldt", 0, 0, 0],
  ],
};

/** A name, and arguments: numbers, and strings for pointers to them. */
export type Call = readonly [name: SystemCallName, ...args: (number | string)[]];

const architecture: Architecture = process.arch === "arm64" ? "arm64" : "x64";

/** Perl is on every Debian and can make any call. It passes strings by their addresses. */
const perl = `
  for (@ARGV) {
    my ($number, @args) = split / /;
    my $result = syscall($number, map { /^"(.*)"$/ ? "$1\\0" : $_ + 0 } @args);
    print $result == -1 ? $! + 0 : 0, "\\n";
  }`;

/** Arguments for Perl, which makes each call and prints its errno; 0 for a call that succeeds. */
export function perlCalls(calls: readonly Call[]): string[] {
  const args = calls.map(([name, ...rest]) =>
    [
      systemCallNumber(name, architecture),
      ...rest.map((arg) => (typeof arg === "string" ? `"${arg}"` : arg)),
    ].join(" "),
  );
  return ["-e", perl, ...args];
}

/** Whether this machine's architecture has a call. */
export function hasCall(name: SystemCallName): boolean {
  return systemCallNumber(name, architecture) !== undefined;
}
