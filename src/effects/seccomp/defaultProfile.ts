/**
 * The default profile: the system calls that a task may not make, each with its reason. All other known calls
 * are allowed, because Landlock, namespaces, the cgroup and the user's rights limit their effects. Pure.
 *
 * A refused call fails with EPERM. If programs have a fallback for kernels that lack the call, the refused
 * call fails with the error of such a kernel instead.
 */

import type { CapabilityName } from "../kernel/capabilities.ts";
import * as k from "../kernel/kernelConstants.ts";
import type { SystemCallName } from "../kernel/systemCalls.ts";
import type { Condition, RestrictionGroup } from "./restriction.ts";

const newNamespaces =
  k.CLONE_NEWNS +
  k.CLONE_NEWCGROUP +
  k.CLONE_NEWUTS +
  k.CLONE_NEWIPC +
  k.CLONE_NEWUSER +
  k.CLONE_NEWPID +
  k.CLONE_NEWNET;
/** The other flags of unshare(2). */
const ownStates =
  k.CLONE_VM + k.CLONE_FS + k.CLONE_FILES + k.CLONE_SIGHAND + k.CLONE_THREAD + k.CLONE_SYSVSEM;

/** The argument of personality(2) that only queries the present personality. */
const QUERY = 0xffffffff;

const setId = (argument: 1 | 2 | 3): Condition => ({ argument, hasAnyBitOf: k.S_ISUID + k.S_ISGID });
const creates = (argument: 1 | 2): Condition => ({ argument, hasAnyBitOf: k.O_CREAT + k.__O_TMPFILE });
const isOther = (argument: 0 | 1): Condition => ({ argument, isNoneOf: [0] });
const setIdModes = "set-user-ID or set-group-ID in the mode";
const isNetlink: Condition = { argument: 0, isOneOf: [k.AF_NETLINK] };

export const defaultProfile: readonly RestrictionGroup[] = [
  refused(
    "mount",
    [
      ...(["mount", "umount2", "pivot_root", "move_mount", "open_tree", "open_tree_attr"] as const),
      ...(["fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr"] as const),
    ],
    ["sys_admin"],
    "Landlock forbids mounting anyway. Refusing the calls also keeps tasks away from the kernel code behind them",
  ),
  {
    name: "mount_info",
    restrictions: [{ calls: ["statmount", "listmount", "listns"], errno: "ENOSYS" }],
    kernelNeeds: ["sys_admin"],
    reason:
      "they list mounts and namespaces that Landlock's rules on `/proc` hide. Programs fall back to `/proc/self/mountinfo`",
  },
  {
    name: "namespace",
    restrictions: [
      {
        calls: ["unshare"],
        when: [{ argument: 0, hasAnyBitBeside: ownStates }],
        what: "new namespaces",
        errno: "EPERM",
      },
      {
        calls: ["clone"],
        when: [{ argument: 0, hasAnyBitOf: newNamespaces }],
        what: "new namespaces",
        errno: "EPERM",
      },
      { calls: ["setns"], errno: "EPERM" },
      { calls: ["clone3"], errno: "ENOSYS" },
    ],
    kernelNeeds: ["sys_admin"],
    unprivileged: ["unshare", "clone", "clone3"],
    reason:
      "a user namespace gives every capability, and so access to the kernel's code with the most vulnerabilities. Filters cannot read the flags of `clone3`; C libraries fall back to `clone`",
  },
  refused(
    "hostname",
    ["sethostname", "setdomainname"],
    ["sys_admin"],
    "the task's host name is the host's, unless the allocation has one",
  ),
  refused(
    "keyring",
    ["add_key", "request_key", "keyctl"],
    [],
    "the whole host shares keyrings. Keys outlive their task, and the next task with the same uid can read them",
  ),
  refused("bpf", ["bpf"], ["bpf", "sys_admin"], "loads programs into the kernel"),
  {
    ...refused(
      "perf",
      ["perf_event_open"],
      ["perfmon", "sys_admin"],
      "measures what else runs on the processor",
    ),
    unprivileged: ["perf_event_open"],
  },
  {
    ...refused(
      "userfaultfd",
      ["userfaultfd"],
      ["sys_ptrace"],
      "pauses the kernel within a call, which makes races in it easy to exploit",
    ),
    unprivileged: ["userfaultfd"],
  },
  {
    name: "aio",
    restrictions: [
      {
        calls: ["io_setup", "io_destroy", "io_submit", "io_cancel", "io_getevents", "io_pgetevents"],
        errno: "ENOSYS",
      },
    ],
    reason:
      "all tasks share one limit on requests, `fs.aio-max-nr`, which a single task can use up. Programs fall back to threads",
  },
  {
    name: "other_process",
    restrictions: [
      {
        calls: ["prlimit64", "sched_setaffinity", "sched_setscheduler", "sched_setparam", "sched_setattr"],
        when: [isOther(0)],
        what: "a pid other than 0",
        errno: "EPERM",
      },
      {
        calls: ["setpriority"],
        when: [{ argument: 0, isOneOf: [k.PRIO_PROCESS, k.PRIO_PGRP] }, isOther(1)],
        what: "a pid other than 0",
        errno: "EPERM",
      },
      {
        calls: ["ioprio_set"],
        when: [{ argument: 0, isOneOf: [k.IOPRIO_WHO_PROCESS, k.IOPRIO_WHO_PGRP] }, isOther(1)],
        what: "a pid other than 0",
        errno: "EPERM",
      },
      {
        calls: ["setpriority"],
        when: [{ argument: 0, isOneOf: [k.PRIO_USER] }],
        what: "all processes of a user",
        errno: "EPERM",
      },
      {
        calls: ["ioprio_set"],
        when: [{ argument: 0, isOneOf: [k.IOPRIO_WHO_USER] }],
        what: "all processes of a user",
        errno: "EPERM",
      },
    ],
    onlyInHostPids: true,
    reason:
      'limits, priorities and processors of other processes, which `pid_mode = "host"` shows; a limit on processor time ends a process. `0` is the caller itself. Without the group\'s name in `seccomp_allow`, a thread cannot set these for another thread, either (`pthread_setaffinity_np`, `pthread_setschedparam`)',
  },
  refused(
    "io_uring",
    ["io_uring_setup", "io_uring_enter", "io_uring_register"],
    [],
    "does the work of system calls without passing the filter",
  ),
  refused("module", ["init_module", "finit_module", "delete_module"], ["sys_module"], "changes the kernel"),
  refused(
    "reboot",
    ["reboot", "kexec_load", "kexec_file_load"],
    ["sys_boot"],
    "stops the host, or boots another kernel",
  ),
  refused("clock", ["settimeofday", "clock_settime"], ["sys_time"], "the clock is the host's"),
  refused("swap", ["swapon", "swapoff"], ["sys_admin"], "swap space is the host's"),
  {
    ...refused("quota", ["quotactl", "quotactl_fd"], ["sys_admin"], "quotas are the host's"),
    unprivileged: ["quotactl", "quotactl_fd"],
  },
  refused("accounting", ["acct"], ["sys_pacct"], "the record of ended processes is the host's"),
  {
    ...refused(
      "log",
      ["syslog"],
      ["syslog"],
      "the kernel's log shows addresses, devices and activities of other tasks",
    ),
    unprivileged: ["syslog"],
  },
  refused("raw_io", ["ioperm", "iopl"], ["sys_rawio"], "accesses devices by their I/O ports"),
  refused("chroot", ["chroot"], ["sys_chroot"], "a change of the root is the first step of many escapes"),
  {
    ...refused(
      "handle",
      ["open_by_handle_at", "name_to_handle_at"],
      ["dac_read_search"],
      "opens files by their inodes, and so bypasses the permissions of their parent folders",
    ),
    unprivileged: ["name_to_handle_at"],
  },
  {
    ...refused(
      "fanotify",
      ["fanotify_init"],
      ["sys_admin"],
      "watches files and mounts, without a check by Landlock",
    ),
    unprivileged: ["fanotify_init"],
  },
  {
    name: "set_id",
    restrictions: [
      { calls: ["chmod", "fchmod", "creat", "mknod"], when: [setId(1)], what: setIdModes, errno: "EPERM" },
      { calls: ["fchmodat", "fchmodat2", "mknodat"], when: [setId(2)], what: setIdModes, errno: "EPERM" },
      { calls: ["open"], when: [creates(1), setId(2)], what: setIdModes, errno: "EPERM" },
      { calls: ["openat"], when: [creates(2), setId(3)], what: setIdModes, errno: "EPERM" },
      { calls: ["openat2"], errno: "ENOSYS" },
    ],
    reason:
      "such a program gives the task's rights to any user of the host who runs it. Filters cannot read the mode of `openat2`; programs fall back to `openat`",
  },
  {
    name: "personality",
    restrictions: [
      {
        calls: ["personality"],
        when: [
          {
            argument: 0,
            isNoneOf: [
              k.PER_LINUX,
              k.PER_LINUX32,
              k.UNAME26,
              k.UNAME26 + k.PER_LINUX32,
              k.ADDR_NO_RANDOMIZE,
              QUERY,
            ],
          },
        ],
        what: "personalities other than `PER_LINUX`, `PER_LINUX32`, `UNAME26` and `ADDR_NO_RANDOMIZE`",
        errno: "EPERM",
      },
    ],
    reason: "the emulation of old systems, such as a page at address 0, helps attacks on the kernel",
  },
  {
    name: "memory_map",
    restrictions: [
      {
        calls: ["prctl"],
        when: [{ argument: 0, isOneOf: [k.PR_SET_MM] }],
        what: "`PR_SET_MM`",
        errno: "EPERM",
      },
    ],
    reason: "changes the arguments and the environment that the host reads from the task",
  },
  {
    name: "terminal",
    restrictions: [
      {
        calls: ["ioctl"],
        when: [{ argument: 1, isOneOf: [k.TIOCSTI, k.TIOCLINUX] }],
        what: "`TIOCSTI`, `TIOCLINUX`",
        errno: "EPERM",
      },
    ],
    reason: "types into a terminal in place of its user",
  },
  refused("hangup", ["vhangup"], ["sys_tty_config"], "ends the sessions of a terminal"),
  {
    name: "socket",
    restrictions: [
      {
        calls: ["socket"],
        when: [
          { argument: 0, isNoneOf: [k.AF_UNIX, k.AF_INET, k.AF_INET6, k.AF_NETLINK, k.AF_PACKET, k.AF_XDP] },
        ],
        what: "families other than unix, IPv4, IPv6 and netlink",
        errno: "EAFNOSUPPORT",
      },
    ],
    reason: "`AF_VSOCK` reaches the hypervisor, and the kernel loads code of rare protocols for any program",
  },
  {
    name: "packet",
    restrictions: [
      {
        calls: ["socket"],
        when: [{ argument: 0, isOneOf: [k.AF_PACKET, k.AF_XDP] }],
        what: "`AF_PACKET`, `AF_XDP`",
        errno: "EAFNOSUPPORT",
      },
    ],
    kernelNeeds: ["net_raw"],
    reason: "reads and forges the packets of others",
  },
  {
    name: "netlink",
    restrictions: [
      {
        calls: ["socket"],
        when: [
          isNetlink,
          {
            argument: 2,
            isNoneOf: [k.NETLINK_ROUTE, k.NETLINK_KOBJECT_UEVENT, k.NETLINK_GENERIC, k.NETLINK_AUDIT],
          },
        ],
        what: "netlink protocols other than `ROUTE`, `GENERIC` and `KOBJECT_UEVENT`",
        errno: "EPROTONOSUPPORT",
      },
    ],
    kernelNeeds: ["net_admin"],
    unprivileged: ["socket"],
    reason:
      "`SOCK_DIAG` lists the host's sockets with their paths, `USERSOCK` lets tasks communicate, and the packet filter is the host's",
  },
  {
    name: "audit",
    restrictions: [
      {
        calls: ["socket"],
        when: [isNetlink, { argument: 2, isOneOf: [k.NETLINK_AUDIT] }],
        what: "netlink's `AUDIT`",
        errno: "EPROTONOSUPPORT",
      },
    ],
    kernelNeeds: ["audit_write", "audit_control", "audit_read"],
    unprivileged: ["socket"],
    reason: "the audit log is the host's; programs also work on kernels without it",
  },
  {
    name: "obsolete",
    restrictions: [{ calls: ["uselib", "ustat", "sysfs", "lookup_dcookie", "modify_ldt"], errno: "ENOSYS" }],
    reason: "old code that programs for current kernels do not need",
  },
];

/** A group of calls that are refused whatever their arguments. */
function refused(
  name: string,
  calls: readonly SystemCallName[],
  kernelNeeds: readonly CapabilityName[],
  reason: string,
): RestrictionGroup {
  return { name, restrictions: [{ calls, errno: "EPERM" }], kernelNeeds, reason };
}
