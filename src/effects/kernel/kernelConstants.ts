/**
 * Constants of the kernel's interface. Restrictions of system calls compare arguments with them. The
 * constants have their C names, so that readers can look them up, and are the same on x86-64 and arm64. Pure.
 */

/** `linux/sched.h` */
export const CLONE_VM = 0x00000100;
export const CLONE_FS = 0x00000200;
export const CLONE_FILES = 0x00000400;
export const CLONE_SIGHAND = 0x00000800;
export const CLONE_THREAD = 0x00010000;
export const CLONE_NEWNS = 0x00020000;
export const CLONE_SYSVSEM = 0x00040000;
export const CLONE_NEWCGROUP = 0x02000000;
export const CLONE_NEWUTS = 0x04000000;
export const CLONE_NEWIPC = 0x08000000;
export const CLONE_NEWUSER = 0x10000000;
export const CLONE_NEWPID = 0x20000000;
export const CLONE_NEWNET = 0x40000000;

/** `linux/fs.h` */
export const FS_IOC_SETFLAGS = 0x40086602;
export const FS_IOC_FSGETXATTR = 0x801c581f;
export const FS_IOC_FSSETXATTR = 0x401c5820;

/** `linux/stat.h` */
export const S_ISGID = 0o2000;
export const S_ISUID = 0o4000;

/** `asm-generic/fcntl.h` */
export const O_CREAT = 0o100;
export const __O_TMPFILE = 0o20000000;

/** `linux/socket.h` */
export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;
export const AF_NETLINK = 16;
export const AF_PACKET = 17;
export const AF_RXRPC = 33;
export const AF_XDP = 44;
export const MSG_FASTOPEN = 0x20000000;

/** `linux/in.h`, `linux/tcp.h` */
export const IPPROTO_TCP = 6;
export const IPPROTO_SCTP = 132;
export const TCP_ULP = 31;

/** `linux/netlink.h` */
export const NETLINK_ROUTE = 0;
export const NETLINK_SOCK_DIAG = 4;
export const NETLINK_AUDIT = 9;
export const NETLINK_KOBJECT_UEVENT = 15;
export const NETLINK_GENERIC = 16;

/** `linux/personality.h` */
export const PER_LINUX = 0;
export const PER_LINUX32 = 0x0008;
export const UNAME26 = 0x0020000;
export const ADDR_NO_RANDOMIZE = 0x0040000;

/** `linux/prctl.h` */
export const PR_SET_MM = 35;
export const PR_SET_MM_ARG_START = 8;
export const PR_SET_MM_ARG_END = 9;

/** `linux/resource.h`: whose priority setpriority(2) sets. */
export const PRIO_PROCESS = 0;
export const PRIO_PGRP = 1;
export const PRIO_USER = 2;

/** `linux/ioprio.h`: whose priority ioprio_set(2) sets. */
export const IOPRIO_WHO_PROCESS = 1;
export const IOPRIO_WHO_PGRP = 2;
export const IOPRIO_WHO_USER = 3;

/** `asm-generic/ioctls.h` */
export const TIOCSTI = 0x5412;
export const TIOCLINUX = 0x541c;
