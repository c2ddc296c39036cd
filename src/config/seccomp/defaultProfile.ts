/**
 * The default profile: the system calls that a task may not make, each with its reason. All other known calls
 * are allowed, because Landlock, namespaces, the cgroup and the user's rights limit their effects. Pure.
 *
 * A refused call fails with EPERM. If programs have a fallback for kernels without the feature, it fails with
 * the error of such a kernel instead.
 */
import type { SystemCallName } from "../../systemCalls.ts";
import type { CapabilityName } from "../options/capabilities.ts";
import * as k from "./kernelConstants.ts";
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

/** An argument of personality(2) that only queries. */
const QUERY = 0xffffffff;

const setId = (argument: 1 | 2 | 3): Condition => ({ argument, hasAnyBitOf: k.S_ISUID + k.S_ISGID });
const creates = (argument: 1 | 2): Condition => ({ argument, hasAnyBitOf: k.O_CREAT + k.__O_TMPFILE });
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
    "Landlock forbids mounting anyway; so the kernel's code behind it is out of reach, too",
  ),
  {
    name: "mount_info",
    restrictions: [{ calls: ["statmount", "listmount", "listns"], errno: "ENOSYS" }],
    liftedBy: ["sys_admin"],
    reason:
      "they list mounts and namespaces, whatever Landlock's rules on `/proc` hide; programs fall back to `/proc/self/mountinfo`",
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
    liftedBy: ["sys_admin"],
    reason:
      "a user namespace gives every capability, and with them the kernel's code in which most holes were found. Filters cannot read the flags of `clone3`; C libraries fall back to `clone`",
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
    "keyrings are the whole host's: keys outlive their task, and reach the next one of the same uid",
  ),
  refused("bpf", ["bpf"], ["bpf", "sys_admin"], "loads programs into the kernel"),
  refused("perf", ["perf_event_open"], ["perfmon", "sys_admin"], "measures what else runs on the processor"),
  refused(
    "userfaultfd",
    ["userfaultfd"],
    ["sys_ptrace"],
    "halts the kernel within a call, which makes its races easy to win",
  ),
  refused(
    "io_uring",
    ["io_uring_setup", "io_uring_enter", "io_uring_register"],
    [],
    "does what system calls do, past every filter",
  ),
  refused("module", ["init_module", "finit_module", "delete_module"], ["sys_module"], "changes the kernel"),
  refused(
    "reboot",
    ["reboot", "kexec_load", "kexec_file_load"],
    ["sys_boot"],
    "ends the host, or boots another kernel",
  ),
  refused("clock", ["settimeofday", "clock_settime"], ["sys_time"], "the clock is the host's"),
  refused("swap", ["swapon", "swapoff"], ["sys_admin"], "swap space is the host's"),
  refused("quota", ["quotactl", "quotactl_fd"], ["sys_admin"], "quotas are the host's"),
  refused("accounting", ["acct"], ["sys_pacct"], "the record of processes that have ended is the host's"),
  refused("log", ["syslog"], ["syslog"], "the kernel's log has addresses, devices and what other tasks do"),
  refused("raw_io", ["ioperm", "iopl"], ["sys_rawio"], "reaches devices by their ports"),
  refused("chroot", ["chroot"], ["sys_chroot"], "a change of the root is the first step of many escapes"),
  refused(
    "handle",
    ["open_by_handle_at", "name_to_handle_at"],
    ["dac_read_search"],
    "opens files by their inodes, whatever folders they are in",
  ),
  refused(
    "fanotify",
    ["fanotify_init"],
    ["sys_admin"],
    "watches files and mounts, without a check by Landlock",
  ),
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
      "such a program gives the task's rights to any user of the host. Filters cannot read the mode of `openat2`; programs fall back to `openat`",
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
        what: "others than `PER_LINUX`, `PER_LINUX32`, `UNAME26` and `ADDR_NO_RANDOMIZE`",
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
    reason: "changes what the host reads as the task's arguments and environment",
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
    reason: "types into a terminal as if its user did",
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
    reason: "`AF_VSOCK` leads to the hypervisor; the kernel loads rare protocols' code for any program",
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
    liftedBy: ["net_raw"],
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
    liftedBy: ["net_admin"],
    reason:
      "`SOCK_DIAG` lists the host's sockets with their paths, `USERSOCK` connects tasks, and the packet filter is the host's",
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
    liftedBy: ["audit_write", "audit_control", "audit_read"],
    reason: "the audit log is the host's; programs also work with a kernel that has none",
  },
  {
    name: "obsolete",
    restrictions: [{ calls: ["uselib", "ustat", "sysfs", "lookup_dcookie", "modify_ldt"], errno: "ENOSYS" }],
    reason: "old code that no program for today's kernels needs",
  },
];

/** A group of calls that are refused whatever their arguments. */
function refused(
  name: string,
  calls: readonly SystemCallName[],
  liftedBy: readonly CapabilityName[],
  reason: string,
): RestrictionGroup {
  return { name, restrictions: [{ calls, errno: "EPERM" }], liftedBy, reason };
}
