/** What a filter of system calls refuses, as data. Pure. */
import type { SystemCallName } from "../../systemCalls.ts";
import type { CapabilityName } from "../options/capabilities.ts";

/** System calls that are refused, always or by their arguments. */
export interface Restriction {
  readonly calls: readonly SystemCallName[];
  /** All of these have to hold for a call to be refused. */
  readonly when?: readonly Condition[];
  /** What the refused call returns. */
  readonly errno: Errno;
}

/**
 * What an argument has to be. Its lower 32 bits are compared, as unsigned numbers: of
 * the arguments that restrictions name, the kernel uses no others.
 */
export type Condition = { readonly argument: ArgumentIndex } & (
  | { readonly isOneOf: readonly number[] }
  | { readonly isNoneOf: readonly number[] }
  | { readonly hasAnyBitOf: number }
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

/** Restrictions of a profile that have one reason. */
export interface RestrictionGroup {
  /** With `@` before it, the name by which options mean all calls of the group. */
  readonly name: string;
  readonly restrictions: readonly (Restriction & {
    /** The arguments that are refused, in words, where there is a condition. */
    readonly what?: string;
  })[];
  /** A task with one of these capabilities may make the calls: the kernel itself asks for them. */
  readonly liftedBy?: readonly CapabilityName[];
  readonly reason: string;
}
