/** What a filter of system calls refuses, as data. Pure. */

import type { CapabilityName } from "../kernel/capabilities.ts";
import type { SystemCallName } from "../kernel/systemCalls.ts";

/** System calls that are refused, always or only with certain arguments. */
export interface Restriction {
  readonly calls: readonly SystemCallName[];
  /** A call is refused only if all these conditions hold. */
  readonly when?: readonly Condition[];
  /** The error that a refused call returns. */
  readonly errno: Errno;
}

/**
 * A condition on an argument. It compares the lower 32 bits, as an unsigned number, because the kernel uses
 * only these bits of the arguments that restrictions name.
 */
export type Condition = { readonly argument: ArgumentIndex } & (
  | { readonly isOneOf: readonly number[] }
  | { readonly isNoneOf: readonly number[] }
  | { readonly hasAnyBitOf: number }
  /** Holds if the argument has a bit that is not in this mask. */
  | { readonly hasAnyBitBeside: number }
);

type ArgumentIndex = 0 | 1 | 2 | 3 | 4 | 5;

/** Errors that a restricted call may return, by their names in errno(3). */
export const errnos = [
  "EPERM",
  "ENOENT",
  "EACCES",
  "ENOSYS",
  "EAFNOSUPPORT",
  "EPROTONOSUPPORT",
  "EOPNOTSUPP",
] as const;

export type Errno = (typeof errnos)[number];

/** Restrictions of a profile with a common reason. */
export interface RestrictionGroup {
  /** The group's name. Options write it with `@` for all calls of the group. */
  readonly name: string;
  readonly restrictions: readonly (Restriction & {
    /** The refused arguments in words, if the restriction has conditions. */
    readonly what?: string;
  })[];
  /**
   * The kernel itself requires one of these capabilities, but for {@link unprivileged}. None of them lifts the group: a job that has the
   * capability still has to name the group in `seccomp_allow`.
   */
  readonly kernelNeeds?: readonly CapabilityName[];
  /** Calls that the kernel may permit without one of the capabilities, too. */
  readonly unprivileged?: readonly SystemCallName[];
  /** Set if only tasks in the host's pid namespace need the group. In other tasks it does not apply. */
  readonly onlyInHostPids?: true;
  readonly reason: string;
}
