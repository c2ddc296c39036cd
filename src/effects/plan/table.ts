/**
 * The layout and a writer of the table that the runner reads into memory at fixed addresses and executes. The
 * runners' listings repeat these numbers, and a test compares them. Pure.
 *
 * ```
 * TABLE_ADDRESS  entries of the phase `supervise`, the buffers, init's name: the part that init keeps
 * EARLY_ADDRESS  entries of the other early phases (the runner starts here), strings, structs
 * LATE_ADDRESS   entries of the late phases, strings, structs; a step of the plan reads this part
 * ```
 *
 * In the table's file the parts begin at 0, `KEPT_BYTES` and `LATE_OFFSET`. In memory they are further apart,
 * so that init can unmap all parts but the first.
 *
 * An entry is eleven words of eight bytes: the number of a system call, its six arguments, then `match`,
 * `onMatch`, `onError` and `next`. If the call returns `match`, the entry at `onMatch` follows. If the call
 * fails, the entry at `onError` follows, or the error is reported if `onError` is 0. Otherwise `next`
 * follows.
 */
import { DriverError } from "../../base/errors.ts";
import { INSTRUCTION_BYTES } from "../kernel/assembler.ts";
import { controlMessageBytes, messageHeader } from "../kernel/structs.ts";

/** Far from the runner, its stack and the vDSO. */
export const TABLE_ADDRESS = 0x10000000;

/** On a different page from the first part, even with arm64's largest pages, 64 KiB. */
export const EARLY_ADDRESS = 0x10010000;

/**
 * Address of the phase `unveil`, if the other early phases end before this address. Otherwise `unveil`
 * follows `init` directly.
 */
export const UNVEIL_ADDRESS = EARLY_ADDRESS + 0x4000;

/** Maximum length of the early part, which the runner reads. */
export const EARLY_BYTES = 0x20000;

export const LATE_ADDRESS = EARLY_ADDRESS + EARLY_BYTES;

/**
 * Size of the runner's mapping. With the usual stack limit of 8 MiB, execve(2) limits a command's arguments
 * and environment to 2 MiB.
 */
export const TABLE_BYTES = 0x400000;

/** Size of the part that init keeps: one page of 4 KiB. */
export const KEPT_BYTES = 0x1000;

/** Size of the process's name, its first argument. The name is at the end of the part that init keeps. */
export const NAME_BYTES = 160;
export const NAME_OFFSET = KEPT_BYTES - NAME_BYTES;

/**
 * The logger's state (logger.ts) in the part that init keeps. It ends before the buffers.
 * The address is a multiple of 256, because the logger finds a stream's number in it.
 */
export const LOGGER_STATE_OFFSET = 0xa00;
export const LOGGER_STATE_ADDRESS = TABLE_ADDRESS + LOGGER_STATE_OFFSET;

/** Address of the logger's code in the runner. All entries of the table are at higher addresses. */
export const LOGGER_CODE_ADDRESS = 0x400000 + 0x180;

/** Offset of the late part in the table's file. */
export const LATE_OFFSET = KEPT_BYTES + EARLY_BYTES;

/**
 * Address to which the kernel writes the task's pid when init forks the task: the field `match` of the step
 * that waits for the task.
 * @param step that step's index in the phase `supervise`
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

const encoder = new TextEncoder();

/** Writes one part of the table: appends data and sets words. All addresses are addresses in the runner. */
export class TableWriter {
  readonly #address: number;
  readonly #limit: number;
  #memory = new Uint8Array(0x4000);
  #view = new DataView(this.#memory.buffer);
  /** Offset of the next addition. */
  #end = 0;

  /**
   * @param address of the part's beginning
   * @param limit its maximum length in bytes
   */
  constructor(address: number, limit: number) {
    this.#address = address;
    this.#limit = limit;
  }

  /** The part up to the last addition. */
  bytes(): Uint8Array {
    return this.#memory.subarray(0, this.#end);
  }

  /** Adds zeroed words, to be set later, and returns their address. */
  reserveWords(count: number): number {
    return this.#address + this.#reserve(count * WORD_BYTES);
  }

  /** Sets a word of eight bytes to a safe integer, in two's complement. */
  writeWord(address: number, value: number): void {
    // NaN would be written as 0, which is root, the standard input or no limit.
    if (!Number.isSafeInteger(value)) throw new RangeError(`${value} cannot be passed to the kernel`);
    const offset = address - this.#address;
    this.#view.setUint32(offset, value, true);
    this.#view.setInt32(offset + 4, Math.floor(value / 2 ** 32), true);
  }

  /** Adds bytes and returns their address, a multiple of eight. */
  addBytes(content: Uint8Array): number {
    const offset = this.#reserve(content.length);
    this.#memory.set(content, offset);
    return this.#address + offset;
  }

  /** Adds a string with its terminating NUL and returns its address. */
  addString(text: string): number {
    if (text.includes("\0")) {
      throw new DriverError("LAUNCH_FAILED", "a string with a NUL character cannot be passed to a program");
    }
    // A UTF-16 unit takes at most three bytes.
    const offset = this.#reserve(text.length * 3 + 1);
    const { written } = encoder.encodeInto(text, this.#memory.subarray(offset));
    this.#end = offset + aligned(written + 1);
    return this.#address + offset;
  }

  /** Adds a null-terminated array of pointers to strings, and returns its address. */
  addStrings(texts: readonly string[]): number {
    const array = this.reserveWords(texts.length + 1);
    for (const [index, text] of texts.entries())
      this.writeWord(array + index * WORD_BYTES, this.addString(text));
    return array;
  }

  /** Adds a filter and its `struct sock_fprog`, and returns the address of the struct. */
  addFilter(program: Uint8Array): number {
    const filter = this.addBytes(program);
    const header = this.reserveWords(2);
    this.writeWord(header, program.length / INSTRUCTION_BYTES);
    this.writeWord(header + WORD_BYTES, filter);
    return header;
  }

  /**
   * Adds a `struct msghdr` with room for one byte and some descriptors, and returns its address: recvmsg(2).
   */
  addMessage(descriptors: number): number {
    const controlBytes = controlMessageBytes(descriptors);
    const control = this.reserveWords(controlBytes / WORD_BYTES);
    const vector = this.reserveWords(3);
    this.writeWord(vector, vector + 2 * WORD_BYTES);
    this.writeWord(vector + WORD_BYTES, 1);
    const header = this.reserveWords(7);
    for (const [index, word] of messageHeader(vector, control, controlBytes).entries()) {
      this.writeWord(header + index * WORD_BYTES, word);
    }
    return header;
  }

  /** Reserves room at the end and returns its offset. */
  #reserve(length: number): number {
    const offset = this.#end;
    this.#end += aligned(length);
    if (this.#end > this.#limit) {
      throw new DriverError("LAUNCH_FAILED", "the launch plan is too long", {
        hint: `There is room for ${TABLE_BYTES / 4} characters of arguments and environment, and for a few hundred mounts`,
      });
    }
    if (this.#end > this.#memory.length) this.#grow();
    return offset;
  }

  #grow(): void {
    const memory = new Uint8Array(Math.max(this.#end, this.#memory.length * 2));
    memory.set(this.#memory);
    this.#memory = memory;
    this.#view = new DataView(memory.buffer);
  }
}

function aligned(length: number): number {
  return Math.ceil(length / WORD_BYTES) * WORD_BYTES;
}
