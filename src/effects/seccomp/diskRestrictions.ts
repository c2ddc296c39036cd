/**
 * The system calls that a limit on a task's disk refuses, with every profile: the owner of a file may give it to
 * another project, whose limit it then counts for. Pure.
 */

import { type Denial, OTHER_MACHINE, refusedCall, type Verdict } from "../denial.ts";
import { FS_IOC_FSSETXATTR, FS_IOC_SETFLAGS } from "../kernel/kernelConstants.ts";
import type { Restriction } from "./restriction.ts";

export interface DiskLimited {
  /** Undefined without a limit. */
  readonly diskLimit?: number | undefined;
}

/** The numbers of 32-bit programs are others, but every filter kills such programs. */
const restrictions: readonly Restriction[] = [
  {
    calls: ["ioctl"],
    when: [{ argument: 1, isOneOf: [FS_IOC_FSSETXATTR, FS_IOC_SETFLAGS] }],
    errno: "EPERM",
  },
  { calls: ["file_setattr"], errno: "EPERM" },
];

export function diskRestrictions({ diskLimit }: DiskLimited): readonly Restriction[] {
  return diskLimit === undefined ? [] : restrictions;
}

/** The verdict of a task's limit on its disk; undefined if it does not refuse what was denied. */
export function diskVerdict(
  { blockers: [blocker = ""] }: Denial,
  { diskLimit }: DiskLimited,
): Verdict | undefined {
  const call = refusedCall(blocker);
  if (call === undefined || diskLimit === undefined) return undefined;
  if (blocker === OTHER_MACHINE) return { never: "Only tasks without disk_limit can run 32-bit programs" };
  if (!restrictions.some(({ calls }) => (calls as readonly string[]).includes(call))) return undefined;
  return { never: "Only tasks without disk_limit can change the attributes of files (chattr, a project)" };
}
