/**
 * Constants of the Linux kernel's interface, with the headers that define them.
 * They have their C names, so that they can be looked up.
 */

/** System call filters compare arguments with these constants, too. */
export {
  AF_INET,
  AF_INET6,
  AF_NETLINK,
  AF_UNIX,
  CLONE_NEWCGROUP,
  CLONE_NEWIPC,
  CLONE_NEWNET,
  CLONE_NEWNS,
  CLONE_NEWPID,
  CLONE_NEWUSER,
  CLONE_NEWUTS,
  NETLINK_AUDIT,
  NETLINK_SOCK_DIAG,
  O_CREAT,
} from "./kernelConstants.ts";

/** `linux/landlock.h` */
export const LANDLOCK_CREATE_RULESET_VERSION = 1;
/** `enum landlock_rule_type` */
export const LANDLOCK_RULE_PATH_BENEATH = 1;
export const LANDLOCK_RULE_NET_PORT = 2;
/** Flags of landlock_restrict_self(2), from ABI 7 on */
export const LANDLOCK_RESTRICT_SELF_LOG_NEW_EXEC_ON = 1 << 1;
export const LANDLOCK_RESTRICT_SELF_LOG_SUBDOMAINS_OFF = 1 << 2;

/** `linux/fs.h` */
export const SEEK_DATA = 3;
export const SEEK_HOLE = 4;
/** `asm-generic/fcntl.h`; the same on x86-64 and arm64 */
export const O_RDONLY = 0;
export const O_WRONLY = 0o1;
export const O_RDWR = 0o2;
export const O_EXCL = 0o200;
export const O_NOCTTY = 0o400;
export const O_TRUNC = 0o1000;
export const O_NONBLOCK = 0o4000;
export const O_ASYNC = 0o20000;
export const O_CLOEXEC = 0o2000000;
export const O_PATH = 0o10000000;

/** `asm/fcntl.h`: on arm64, 0o200000 is O_DIRECT, with which openat2(2) refuses O_PATH. */
export const O_DIRECTORY = process.arch === "arm64" ? 0o40000 : 0o200000;
export const O_TMPFILE = 0o20000000 | O_DIRECTORY;

/** `sys/stat.h` */
export const S_IFREG = 0o100000;

/** `linux/openat2.h`: bits of `resolve` */
export const RESOLVE_NO_XDEV = 0x01;
export const RESOLVE_NO_MAGICLINKS = 0x02;
export const RESOLVE_NO_SYMLINKS = 0x04;
export const RESOLVE_BENEATH = 0x08;
export const RESOLVE_IN_ROOT = 0x10;
/** From Linux 5.12 on. */
export const RESOLVE_CACHED = 0x20;

/** `linux/magic.h`: types of file systems, statfs(2) */
export const CGROUP2_SUPER_MAGIC = 0x63677270;
export const PROC_SUPER_MAGIC = 0x9fa0;
export const NSFS_MAGIC = 0x6e736673;
export const SYSFS_MAGIC = 0x62656572;

/** `sys/file.h` */
export const LOCK_SH = 1;
export const LOCK_EX = 2;
export const LOCK_NB = 4;

/** `linux/fcntl.h` */
export const AT_FDCWD = -100;
export const F_SETFD = 2;
export const F_SETFL = 4;
export const F_SETOWN = 8;
export const F_SETSIG = 10;
export const F_GETPIPE_SZ = 1032;
export const F_ADD_SEALS = 1033;
export const F_SEAL_SEAL = 0x1;
export const F_SEAL_SHRINK = 0x2;
export const F_SEAL_GROW = 0x4;
export const F_SEAL_WRITE = 0x8;

/** `linux/memfd.h` */
export const MFD_CLOEXEC = 0x1;
export const MFD_ALLOW_SEALING = 0x2;
export const MFD_EXEC = 0x10;

/** `spawn.h` of the C library */
export const POSIX_SPAWN_SETSIGDEF = 0x04;
export const POSIX_SPAWN_SETSIGMASK = 0x08;
export const POSIX_SPAWN_SETSID = 0x80;

/**
 * System call numbers of `asm/unistd.h` that x86-64 and arm64 share: since
 * kernel 5.1 new calls have the same number on both.
 */
export const SYS_pidfd_send_signal = 424;
export const SYS_open_tree = 428;
export const SYS_fsopen = 430;
export const SYS_fsconfig = 431;
export const SYS_fsmount = 432;
export const SYS_pidfd_open = 434;
export const SYS_openat2 = 437;
export const SYS_pidfd_getfd = 438;
export const SYS_quotactl_fd = 443;
export const SYS_mount_setattr = 442;
export const SYS_landlock_create_ruleset = 444;
export const SYS_landlock_add_rule = 445;

/** `linux/pidfd.h`, from kernel 6.9 on: signals the group that the process leads */
export const PIDFD_SIGNAL_PROCESS_GROUP = 1 << 2;
/** `linux/pidfd.h`, from kernel 6.13 on: `_IOWR(0xff, 11, struct pidfd_info)` */
export const PIDFD_GET_INFO = 0xc040ff0b;
/** From kernel 6.15 on: requests the wait status */
export const PIDFD_INFO_EXIT = 1 << 3;

/** `asm-generic/mman-common.h`, mmap(2) */
export const PROT_READ = 0x1;
export const PROT_WRITE = 0x2;
export const MAP_SHARED = 0x1;

/** `sys/epoll.h` */
export const EPOLL_CTL_ADD = 1;
export const EPOLLIN = 0x1;

/** `asm-generic/poll.h` */
export const POLLIN = 0x1;
export const POLLPRI = 0x2;
export const POLLOUT = 0x4;

/** `linux/inotify.h`: inotify(7) */
export const IN_CLOSE_WRITE = 0x8;
export const IN_MOVED_FROM = 0x40;
export const IN_MOVED_TO = 0x80;
export const IN_CREATE = 0x100;
export const IN_DELETE = 0x200;
export const IN_DELETE_SELF = 0x400;
export const IN_MOVE_SELF = 0x800;
export const IN_ONLYDIR = 0x1000000;

/** `linux/wait.h` */
export const WNOHANG = 1;

/** `linux/sched.h` */
export const CLONE_PARENT_SETTID = 0x00100000;
export const CLONE_INTO_CGROUP = 0x200000000;

/** `asm-generic/signal.h` */
export const SIGKILL = 9;
export const SIGCHLD = 17;
export const SA_NOCLDWAIT = 2;
export const SIGURG = 23;
export const SIG_SETMASK = 2;

/** `linux/prctl.h` */
export const PR_SET_PDEATHSIG = 1;
export const PR_SET_DUMPABLE = 4;
export const PR_SET_KEEPCAPS = 8;
export const PR_SET_NAME = 15;
export const PR_CAPBSET_DROP = 24;
export const PR_SET_CHILD_SUBREAPER = 36;
export const PR_SET_NO_NEW_PRIVS = 38;
export const PR_CAP_AMBIENT = 47;
export const PR_CAP_AMBIENT_RAISE = 2;

/** `linux/seccomp.h` */
export const SECCOMP_SET_MODE_FILTER = 1;
export const SECCOMP_FILTER_FLAG_LOG = 1 << 1;
export const SECCOMP_FILTER_FLAG_SPEC_ALLOW = 1 << 2;
export const SECCOMP_RET_KILL_PROCESS = 0x80000000;
export const SECCOMP_RET_ERRNO = 0x00050000;
export const SECCOMP_RET_ALLOW = 0x7fff0000;

/** `linux/audit.h`: architectures in `struct seccomp_data` */
export const AUDIT_ARCH_X86_64 = 0xc000003e;
export const AUDIT_ARCH_AARCH64 = 0xc00000b7;

/** `linux/netlink.h` */
export const NLM_F_REQUEST = 1;
export const NLM_F_ACK = 4;
export const NLM_F_DUMP = 0x300;
export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;

/** `linux/audit.h`: requests, and types of records */
export const AUDIT_GET = 1000;
export const AUDIT_SET = 1001;
export const AUDIT_SYSCALL = 1300;
export const AUDIT_CONFIG_CHANGE = 1305;
export const AUDIT_SECCOMP = 1326;
export const AUDIT_LANDLOCK_ACCESS = 1423;
export const AUDIT_LANDLOCK_DOMAIN = 1424;
/** `linux/audit.h`: the multicast group of all records */
export const AUDIT_NLGRP_READLOG = 1;
/** `linux/audit.h`: members of `struct audit_status` that a request sets */
export const AUDIT_STATUS_ENABLED = 0x01;
export const AUDIT_STATUS_BACKLOG_LIMIT = 0x10;

/** `linux/keyctl.h` */
export const KEYCTL_JOIN_SESSION_KEYRING = 1;

/** `linux/mount.h`, `sys/mount.h` */
export const MS_RDONLY = 1;
export const MS_NOSUID = 2;
export const MS_NODEV = 4;
export const MS_NOEXEC = 8;
export const MS_REC = 16384;
export const MNT_DETACH = 2;
export const MS_PRIVATE = 1 << 18;
export const MS_SLAVE = 1 << 19;
export const OPEN_TREE_CLONE = 1;
export const OPEN_TREE_CLOEXEC = 0o2000000;
export const MOVE_MOUNT_F_EMPTY_PATH = 0x4;
export const MOVE_MOUNT_T_SYMLINKS = 0x10;
export const MOVE_MOUNT_T_EMPTY_PATH = 0x40;
export const FSOPEN_CLOEXEC = 0x1;
export const FSCONFIG_SET_STRING = 1;
export const FSCONFIG_CMD_CREATE = 6;
export const FSMOUNT_CLOEXEC = 0x1;
export const MOUNT_ATTR_RDONLY = 0x1;
export const MOUNT_ATTR_NOSUID = 0x2;
export const MOUNT_ATTR_NODEV = 0x4;
export const MOUNT_ATTR_NOEXEC = 0x8;
export const MOUNT_ATTR_IDMAP = 0x100000;
export const MOUNT_ATTR_NOSYMFOLLOW = 0x200000;

/** `linux/fcntl.h` */
export const AT_SYMLINK_NOFOLLOW = 0x100;
export const AT_REMOVEDIR = 0x200;
export const AT_EMPTY_PATH = 0x1000;
export const AT_RECURSIVE = 0x8000;

/** `asm-generic/resource.h` */
export const resourceNumbers = {
  RLIMIT_CPU: 0,
  RLIMIT_FSIZE: 1,
  RLIMIT_DATA: 2,
  RLIMIT_STACK: 3,
  RLIMIT_CORE: 4,
  RLIMIT_RSS: 5,
  RLIMIT_NPROC: 6,
  RLIMIT_NOFILE: 7,
  RLIMIT_MEMLOCK: 8,
  RLIMIT_AS: 9,
  RLIMIT_LOCKS: 10,
  RLIMIT_SIGPENDING: 11,
  RLIMIT_MSGQUEUE: 12,
  RLIMIT_NICE: 13,
  RLIMIT_RTPRIO: 14,
  RLIMIT_RTTIME: 15,
} as const;

/** Greater than every descriptor number */
export const HIGHEST_DESCRIPTOR = 0xffffffff;
/** `linux/close_range.h`: marks descriptors close-on-exec instead of closing them */
export const CLOSE_RANGE_CLOEXEC = 1 << 2;

/** `linux/splice.h`, as `fcntl.h` has it: splice(2) */
export const SPLICE_F_MOVE = 1;
export const SPLICE_F_NONBLOCK = 2;

/** `linux/personality.h`: personality(2) */
export const STICKY_TIMEOUTS = 0x4000000;

/** `linux/socket.h`, `linux/net.h`, `linux/sockios.h`, `linux/if.h` */
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_SEQPACKET = 5;
export const MSG_NOSIGNAL = 0x4000;
export const SOCK_NONBLOCK = 0o4000;
export const SOCK_CLOEXEC = 0o2000000;
export const SOCK_RAW = 3;
export const SOL_SOCKET = 1;
export const SO_PASSCRED = 16;
export const SO_PEERCRED = 17;
export const SO_ATTACH_FILTER = 26;
export const SO_RCVBUFFORCE = 33;
export const SO_MEMINFO = 55;
/** `linux/sock_diag.h`: index of `SO_MEMINFO`'s count of dropped messages */
export const SK_MEMINFO_DROPS = 8;
export const SIOCSIFFLAGS = 0x8914;
export const IFF_UP = 0x1;

/** `asm-generic/ioctls.h`: ioctl_tty(2) */
export const FIONREAD = 0x541b;
export const TIOCSCTTY = 0x540e;
export const TIOCSWINSZ = 0x5414;
export const TIOCSPTLCK = 0x40045431;
export const TIOCGPTPEER = 0x5441;

/** `asm-generic/mman-common.h`: madvise(2) */
export const MADV_DONTNEED = 4;
