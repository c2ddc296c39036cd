/**
 * Layout of the table of bytes that the runner reads to a fixed address and carries
 * out. The listings of the runners say the same; their test compares them.
 *
 * ```
 * TABLE_ADDRESS  entries of the phase `supervise` and the buffer that they need: the part that init keeps
 * REST_ADDRESS   entries of the other phases (the runner begins here), then buffers, strings and structs
 * ```
 *
 * In the table's bytes the rest follows the `KEPT_BYTES` of the first part at once;
 * in memory it lies apart, so that init can give it back to the kernel.
 *
 * An entry is eleven words of eight bytes: the number of a system call, its six
 * arguments, then `match`, `onMatch`, `onError` and `next`. Where the call returns
 * `match`, the entry at `onMatch` follows; where it fails, the one at `onError`, or
 * an error is reported if that is 0; else the one at `next`.
 */

/** Far from where the kernel puts the runner, its stack and the vDSO. */
export const TABLE_ADDRESS = 0x10000000;

/** On the next page, however large the kernel's pages are: arm64 has some of 64 KiB. */
export const REST_ADDRESS = 0x10010000;

/** What the runner maps. Arguments and environment of a command are limited to less: execve(2). */
export const TABLE_BYTES = 0x400000;

/** Size of the part that init keeps: a page where pages are small. */
export const KEPT_BYTES = 0x1000;

export const ARGUMENTS = 6;
export const WORD_BYTES = 8;
/** Call, arguments, `match` and three successors. */
export const ENTRY_BYTES = (1 + ARGUMENTS + 4) * WORD_BYTES;
