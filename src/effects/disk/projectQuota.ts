/**
 * Project quotas of ext4 and xfs: quotactl_fd(2), and the ioctls that set a file's project (ioctl_xfs_fsgetxattr(2)).
 * A project is a number that files have. What is made in a folder with the flag PROJINHERIT gets the folder's
 * project.
 */

import { FS_IOC_FSGETXATTR, FS_IOC_FSSETXATTR } from "../kernel/kernelConstants.ts";
import { kernelError } from "../kernel/kernelError.ts";
import { tryIoctl, tryQuotactl } from "../kernel/libc.ts";

/** A file's project, as FS_IOC_FSGETXATTR has it. */
export interface FileProject {
  readonly id: number;
  /** Whether new files in the folder get its project. */
  readonly inherits: boolean;
}

/** `struct fsxattr` of `linux/fs.h`: flags, extent size, extents, project, and padding. */
const attributesBytes = 28;
const flagsAt = 0;
const projectAt = 12;
const FS_XFLAG_PROJINHERIT = 0x200;

/** @returns the errno's name for a file system without projects */
export function tryReadProject(descriptor: number): FileProject | { readonly errno: string } {
  const attributes = Buffer.alloc(attributesBytes);
  const errno = tryIoctl(descriptor, FS_IOC_FSGETXATTR, attributes);
  if (errno !== undefined) return { errno };
  const flags = attributes.readUInt32LE(flagsAt);
  return { id: attributes.readUInt32LE(projectAt), inherits: (flags & FS_XFLAG_PROJINHERIT) !== 0 };
}

/**
 * Gives a file a project, and keeps its other attributes.
 * @param inherits only for folders
 * @returns the errno's name if that fails
 */
export function trySetProject(descriptor: number, id: number, inherits: boolean): string | undefined {
  const attributes = Buffer.alloc(attributesBytes);
  const errno = tryIoctl(descriptor, FS_IOC_FSGETXATTR, attributes);
  if (errno !== undefined) return errno;
  const flags = attributes.readUInt32LE(flagsAt);
  const wanted = inherits ? flags | FS_XFLAG_PROJINHERIT : flags;
  if (attributes.readUInt32LE(projectAt) === id && wanted === flags) return undefined;
  attributes.writeUInt32LE(wanted >>> 0, flagsAt);
  attributes.writeUInt32LE(id, projectAt);
  return tryIoctl(descriptor, FS_IOC_FSSETXATTR, attributes);
}

/** What a project uses, and what it may use at most: zero means no limit. */
export interface ProjectUsage {
  readonly bytes: number;
  readonly files: number;
  readonly limitBytes: number;
  readonly limitFiles: number;
}

const PRJQUOTA = 2;
const command = (what: number) => (((what << 8) >>> 0) | PRJQUOTA) >>> 0;
const Q_GETQUOTA = command(0x800007);
const Q_SETQUOTA = command(0x800008);
const Q_GETNEXTQUOTA = command(0x800009);
const Q_XGETQSTAT = command(0x5805);

/** `struct if_dqblk` and `struct if_nextdqblk` of `linux/quota.h`: nine words of 64 bits. Limits are in KiB. */
const usageBytes = 72;
const validAt = 64;
const idAt = 68;
/** QIF_BLIMITS and QIF_ILIMITS. */
const LIMITS = 1 | 4;

/** Whether project quotas are in force, only counted, or not there; and the errno of the call that says so. */
export type Enforcement = "enforced" | "counted" | { readonly errno: string };

/** `struct fs_quota_stat` of `linux/dqblk_xfs.h`: version, padding, 16 bits of flags. */
const stateBytes = 80;
const stateFlagsAt = 2;
const FS_QUOTA_PDQ_ACCT = 0x10;
const FS_QUOTA_PDQ_ENFD = 0x20;

/** ext4 without the mount option `prjquota` counts, and enforces nothing. */
export function enforcementAt(descriptor: number): Enforcement {
  const state = Buffer.alloc(stateBytes);
  const errno = tryQuotactl(descriptor, Q_XGETQSTAT, 0, state);
  if (errno !== undefined) return { errno };
  const flags = state.readUInt16LE(stateFlagsAt);
  if ((flags & FS_QUOTA_PDQ_ENFD) !== 0) return "enforced";
  return (flags & FS_QUOTA_PDQ_ACCT) !== 0 ? "counted" : { errno: "ENOSYS" };
}

/** @throws DriverError `KERNEL_CALL_FAILED` */
export function readUsage(descriptor: number, id: number): ProjectUsage {
  const data = Buffer.alloc(usageBytes);
  const errno = tryQuotactl(descriptor, Q_GETQUOTA, id, data);
  // A project that nothing belongs to, and that has no limit.
  if (errno === "ENOENT" || errno === "ESRCH") return { bytes: 0, files: 0, limitBytes: 0, limitFiles: 0 };
  if (errno !== undefined) throw kernelError("quotactl_fd", errno, `project ${id}`);
  return usageIn(data);
}

/** The first project from an id on that has a limit, or to which something belongs. */
export function nextUsage(
  descriptor: number,
  from: number,
): (ProjectUsage & { readonly id: number }) | undefined {
  const data = Buffer.alloc(usageBytes);
  if (tryQuotactl(descriptor, Q_GETNEXTQUOTA, from, data) !== undefined) return undefined;
  return { id: data.readUInt32LE(idAt), ...usageIn(data) };
}

function usageIn(data: Buffer): ProjectUsage {
  const word = (index: number) => Number(data.readBigUInt64LE(8 * index));
  return { limitBytes: word(0) * 1024, bytes: word(2), limitFiles: word(3), files: word(5) };
}

/**
 * Limits a project. With zeros it has no limit, and vanishes from the file system's list once nothing belongs to it.
 * @throws DriverError `KERNEL_CALL_FAILED`
 */
export function limitProject(
  descriptor: number,
  id: number,
  { limitBytes, limitFiles }: Pick<ProjectUsage, "limitBytes" | "limitFiles">,
): void {
  const data = Buffer.alloc(usageBytes);
  data.writeBigUInt64LE(BigInt(Math.ceil(limitBytes / 1024)), 0);
  data.writeBigUInt64LE(BigInt(limitFiles), 24);
  data.writeUInt32LE(LIMITS, validAt);
  const errno = tryQuotactl(descriptor, Q_SETQUOTA, id, data);
  if (errno !== undefined) throw kernelError("quotactl_fd", errno, `project ${id}`);
}
