/**
 * Layout of the table that the runner reads to fixed addresses and executes. The
 * runners' listings repeat these numbers, and a test compares them.
 *
 * ```
 * TABLE_ADDRESS  entries of the phase `supervise`, the buffers, init's name: the part that init keeps
 * EARLY_ADDRESS  entries of the other early phases (the runner starts here), strings, structs
 * LATE_ADDRESS   the same for the late phases; a step of the plan reads this part
 * ```
 *
 * In the table's file the parts begin at 0, `KEPT_BYTES` and `LATE_OFFSET`. In memory
 * they are further apart, so that init can unmap all but the first.
 *
 * An entry is eleven words of eight bytes: the number of a system call, its six
 * arguments, then `match`, `onMatch`, `onError` and `next`. If the call returns
 * `match`, the entry at `onMatch` follows. If it fails, the entry at `onError`
 * follows, or the error is reported if `onError` is 0. Otherwise `next` follows.
 */

/** Far from the runner, its stack and the vDSO. */
export const TABLE_ADDRESS = 0x10000000;

/** On another page than the first part, even with arm64's largest pages, 64 KiB. */
export const EARLY_ADDRESS = 0x10010000;

/**
 * Address of the phase `unveil`, if the other early phases end before it. Otherwise it follows them directly.
 */
export const UNVEIL_ADDRESS = EARLY_ADDRESS + 0x4000;

/** Maximum length of the early part, which the runner reads. */
export const EARLY_BYTES = 0x20000;

export const LATE_ADDRESS = EARLY_ADDRESS + EARLY_BYTES;

/** Size of the runner's mapping. A command's arguments and environment are limited to less: execve(2). */
export const TABLE_BYTES = 0x400000;

/** Size of the part that init keeps: one page of 4 KiB. */
export const KEPT_BYTES = 0x1000;

/** Size of the process's name, its first argument. The name is at the end of the part that init keeps. */
export const NAME_BYTES = 160;
export const NAME_OFFSET = KEPT_BYTES - NAME_BYTES;

/** Offset of the late part in the table's file. */
export const LATE_OFFSET = KEPT_BYTES + EARLY_BYTES;

/**
 * Address to which the kernel writes the task's pid when init forks it: `match` of the
 * step of the phase `supervise` that waits for the task.
 * @param step its index in that phase
 */
export function matchAddress(step: number): number {
  return TABLE_ADDRESS + step * ENTRY_BYTES + MATCH_OFFSET;
}

const ARGUMENTS = 6;
export const WORD_BYTES = 8;
/** Call, arguments, `match` and three successors. */
export const ENTRY_BYTES = (1 + ARGUMENTS + 4) * WORD_BYTES;
/** Offset of `match` in an entry. The successors follow it. */
export const MATCH_OFFSET = (1 + ARGUMENTS) * WORD_BYTES;
