/** Writes a part of the table, for fixed addresses in another process. Sets words and appends data. */
import { DriverError } from "../../errors.ts";
import { controlMessageBytes, messageHeader } from "../kernel/structs.ts";
import { INSTRUCTION_BYTES } from "../seccomp/assembler.ts";
import { TABLE_BYTES, WORD_BYTES } from "./table.ts";

const encoder = new TextEncoder();

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

  /** Adds a filter and a `struct sock_fprog` for it, and returns the address of the latter. */
  addFilter(program: Uint8Array): number {
    const filter = this.addBytes(program);
    const header = this.reserveWords(2);
    this.writeWord(header, program.length / INSTRUCTION_BYTES);
    this.writeWord(header + WORD_BYTES, filter);
    return header;
  }

  /** Adds a `struct msghdr` with room for one byte and some descriptors, and returns its address: recvmsg(2). */
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
        hint: `There is room for ${TABLE_BYTES / 4} characters of arguments and environment, and for some hundred mounts`,
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
