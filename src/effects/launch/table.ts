/**
 * Layout of the table of bytes that the runner reads to a fixed address and carries
 * out. The listings of the runners say the same; their test compares them.
 *
 * ```
 * TABLE_ADDRESS      entries of the phase `supervise`, and the buffers: the part that init keeps
 * EARLY_ADDRESS  entries of the other phases that are known from the start (the runner begins here), strings, structs
 * LATE_ADDRESS       the same of the phases that become known later; a step of the plan reads it
 * ```
 *
 * In the table's file the parts follow each other at `KEPT_BYTES` and `LATE_OFFSET`;
 * in memory they lie apart, so that init can give all but the first back to the kernel.
 *
 * An entry is eleven words of eight bytes: the number of a system call, its six
 * arguments, then `match`, `onMatch`, `onError` and `next`. Where the call returns
 * `match`, the entry at `onMatch` follows; where it fails, the one at `onError`, or
 * an error is reported if that is 0; else the one at `next`.
 */

/** Far from where the kernel puts the runner, its stack and the vDSO. */
export const TABLE_ADDRESS = 0x10000000;

/** On the next page, however large the kernel's pages are: arm64 has some of 64 KiB. */
export const EARLY_ADDRESS = 0x10010000;

/** What the runner reads there at most. */
export const BEGINNING_BYTES = 0x20000;

export const LATE_ADDRESS = EARLY_ADDRESS + BEGINNING_BYTES;

/** What the runner maps. Arguments and environment of a command are limited to less: execve(2). */
export const TABLE_BYTES = 0x400000;

/** Size of the part that init keeps: a page where pages are small. */
export const KEPT_BYTES = 0x1000;

/** Of the rest in the table's file. */
export const LATE_OFFSET = KEPT_BYTES + BEGINNING_BYTES;

/**
 * Where the kernel writes the number of init's child as it is forked: `match` of the
 * step of the phase `supervise` that waits for it.
 * @param step its index in that phase
 */
export function matchAddress(step: number): number {
  return TABLE_ADDRESS + step * ENTRY_BYTES + MATCH_OFFSET;
}

const ARGUMENTS = 6;
export const WORD_BYTES = 8;
/** Call, arguments, `match` and three successors. */
export const ENTRY_BYTES = (1 + ARGUMENTS + 4) * WORD_BYTES;
/** Of `match` in an entry; the other successors follow it. */
export const MATCH_OFFSET = (1 + ARGUMENTS) * WORD_BYTES;
