/**
 * Root with all capabilities makes every system call that the default profile refuses. Without the filter
 * each call reaches the kernel; with the filter it is refused. The arguments make the kernel do nothing.
 */
import { constants } from "node:os";
import { describe, expect, it } from "vitest";
import {
  type Architecture,
  type SystemCallName,
  systemCallNumber,
} from "../../src/effects/kernel/systemCalls.ts";
import { defaultProfile } from "../../src/effects/seccomp/defaultProfile.ts";
import type { Restriction } from "../../src/effects/seccomp/restriction.ts";
import { filterOf, taskLines } from "../support/launch/launchRun.ts";
import type { LaunchInput } from "../support/launch/wholeLaunch.ts";

const nowhere = "/nonexistent/file";
const AT_FDCWD = -100;
const O_CREAT = 0o101;
const setUid = 0o4755;

/** Calls that each group refuses. */
const samples: Readonly<Record<string, readonly Call[]>> = {
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

/** Calls that some kernels do not implement. Such a kernel returns the same error as the filter. */
const mayBeMissing = [
  ...["statmount", "listmount", "listns", "uselib", "ustat", "sysfs", "lookup_dcookie", "modify_ldt"],
  ...["socket 29", "socket 38", "socket 40", "socket 44", "socket 9999", "socket 16 3 9", "socket 16 3 12"],
];

const asRoot = { uid: 0, gid: 0 };

describe.each(defaultProfile.map((group) => [group.name, group] as const))(
  "@%s",
  (name, { restrictions }) => {
    const calls = (samples[name] ?? []).filter(([call]) => hasCall(call));

    it("has a sample of each of its calls", () => {
      const sampled = (samples[name] ?? []).map(([call]) => call);
      const refused = restrictions.flatMap(({ calls }) => calls);
      expect([...new Set(sampled)].sort()).toEqual([...new Set(refused)].sort());
    });

    it.runIf(calls.length > 0)("reaches the kernel without the filter, and is refused with it", async () => {
      const expected = calls.map(([call]) => errorOf(restrictions, call));
      const free = await outcomesOf(calls, asRoot);
      const missing = calls
        .filter((_, index) => free[index] === expected[index])
        .map((call) => call.join(" "));
      expect(missing.filter((call) => !mayBeMissing.some((each) => call.startsWith(each)))).toEqual([]);
      if (missing.length > 0)
        console.warn(`NOT SHOWN to work without the filter on this kernel: ${missing.join(", ")}`);
      expect(await outcomesOf(calls, { ...asRoot, filter: filterOf({}, { pidMode: "host" }) })).toEqual(
        expected,
      );
    });
  },
);

function errorOf(restrictions: readonly Restriction[], call: Call[0]): string | undefined {
  return restrictions.find(({ calls }) => calls.includes(call))?.errno;
}

/** A name, and arguments: numbers, and strings for pointers to them. */
type Call = readonly [name: SystemCallName, ...args: (number | string)[]];

const architecture: Architecture = process.arch === "arm64" ? "arm64" : "x64";

/** Perl is on every Debian and can make any call. It passes strings by their addresses. */
const perl = `
  for (@ARGV) {
    my ($number, @args) = split / /;
    my $result = syscall($number, map { /^"(.*)"$/ ? "$1\\0" : $_ + 0 } @args);
    print $result == -1 ? $! + 0 : 0, "\\n";
  }`;

/**
 * Makes each call in a separate task process.
 * @returns for each call: `ok`, or the name of its error
 */
async function outcomesOf(calls: readonly Call[], task: Partial<LaunchInput>): Promise<string[]> {
  const args = calls.map(([name, ...rest]) =>
    [
      systemCallNumber(name, architecture),
      ...rest.map((arg) => (typeof arg === "string" ? `"${arg}"` : arg)),
    ].join(" "),
  );
  const lines = await taskLines("", { command: "/usr/bin/perl", args: ["-e", perl, ...args], ...task });
  return lines.map((line) => (line === "0" ? "ok" : (errorName(Number(line)) ?? line)));
}

/** Whether this machine's architecture has a call. */
function hasCall(name: SystemCallName): boolean {
  return systemCallNumber(name, architecture) !== undefined;
}

function errorName(errno: number): string | undefined {
  return Object.entries(constants.errno).find(([name, value]) => value === errno && name !== "ENOTSUP")?.[0];
}
