/**
 * Layout of the table of bytes that the runner maps and carries out. What is said
 * here is also said in the listings of the runners, whose tests compare them.
 *
 * ```
 * TABLE_ADDRESS               entries of the phase `supervise`, and what they point to
 * TABLE_ADDRESS + KEPT_BYTES  entries of the other phases (the runner begins here), strings, structs, buffers
 * ```
 *
 * An entry is eleven words of eight bytes: the number of a system call, its six
 * arguments, then `match`, `onMatch`, `onError` and `next`. Where the call returns
 * `match`, the entry at `onMatch` follows; where it fails, the one at `onError`, or
 * an error is reported if that is 0; else the one at `next`.
 */

/** Far from where the kernel puts the runner, its stack and the vDSO. */
export const TABLE_ADDRESS = 0x10000000;

/** What the runner maps. Arguments and environment of a command are limited to less: execve(2). */
export const TABLE_BYTES = 0x400000;

/** The part that init keeps: one page. */
export const KEPT_BYTES = 0x1000;

export const ARGUMENTS = 6;
export const WORD_BYTES = 8;
/** Call, arguments, `match` and three successors. */
export const ENTRY_BYTES = (1 + ARGUMENTS + 4) * WORD_BYTES;
