/**
 * Writes programs in extended BPF for bpf(2), as bytes. The kernel's documentation of the instructions is
 * Documentation/bpf/standardization/instruction-set.rst. A call takes its arguments in r1 to r5, returns its
 * result in r0, and keeps r6 to r9. r10 points to the end of the stack. Pure.
 */

export type Register = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10;

/** Bytes of a load or store. */
type Size = 1 | 2 | 4 | 8;

interface Instruction {
  readonly code: number;
  readonly to?: Register;
  /** 1 marks a 64-bit constant as a map's descriptor, 4 as the distance of a function. */
  readonly from?: Register;
  readonly offset?: number;
  readonly value?: number;
  /** Target of a jump. */
  readonly label?: string;
  /** The label whose distance is the value. */
  readonly target?: string;
}

const sizes: Readonly<Record<Size, number>> = { 4: 0x00, 2: 0x08, 1: 0x10, 8: 0x18 };

/** Codes of operations on 64 bits with a constant. With a register, the code is greater by 8. */
const operations = {
  add: 0x07,
  subtract: 0x17,
  multiply: 0x27,
  or: 0x47,
  and: 0x57,
  shiftLeft: 0x67,
  shiftRight: 0x77,
  exclusiveOr: 0xa7,
  move: 0xb7,
} as const;

/** Codes of comparisons of 64 bits with a constant. With a register, the code is greater by 8. */
const comparisons = {
  equal: 0x15,
  greater: 0x25,
  anyBit: 0x45,
  notEqual: 0x55,
  signedGreaterOrEqual: 0x75,
  less: 0xa5,
  signedLessOrEqual: 0xd5,
} as const;

export const INSTRUCTION_BYTES = 8;

/**
 * A program to which each method appends. Methods return the program itself, so that calls can be chained.
 */
export class Program {
  readonly #lines: Instruction[] = [];
  readonly #labels = new Map<string, number>();

  compute(operation: keyof typeof operations, to: Register, by: number | { readonly of: Register }): this {
    const code = operations[operation];
    return typeof by === "number"
      ? this.#add({ code, to, value: by })
      : this.#add({ code: code + 8, to, from: by.of });
  }

  load(size: Size, to: Register, from: Register, offset: number): this {
    return this.#add({ code: 0x61 + sizes[size], to, from, offset });
  }

  store(size: Size, to: Register, offset: number, what: number | { readonly of: Register }): this {
    return typeof what === "number"
      ? this.#add({ code: 0x62 + sizes[size], to, offset, value: what })
      : this.#add({ code: 0x63 + sizes[size], to, from: what.of, offset });
  }

  /** A constant of 64 bits, or a map. */
  constant(to: Register, value: bigint | { readonly map: number }): this {
    const isMap = typeof value === "object";
    const bits = isMap ? BigInt(value.map) : value;
    this.#add({ code: 0x18, to, from: isMap ? 1 : 0, value: Number(BigInt.asIntN(32, bits)) });
    return this.#add({ code: 0, value: Number(BigInt.asIntN(32, bits >> 32n)) });
  }

  /** The function at a label of this program, as an argument of a helper that calls it. */
  function(to: Register, label: string): this {
    this.#add({ code: 0x18, to, from: 4, target: label });
    return this.#add({ code: 0 });
  }

  /** Adds atomically to a word of eight bytes in memory. */
  increase(to: Register, offset: number, by: Register): this {
    return this.#add({ code: 0xdb, to, from: by, offset });
  }

  /** As {@link increase}; `by` gets the word as it was. From Linux 5.12 on. */
  fetchAndIncrease(to: Register, offset: number, by: Register): this {
    return this.#add({ code: 0xdb, to, from: by, offset, value: 1 });
  }

  /** @param helper its number in `linux/bpf.h` */
  call(helper: number): this {
    return this.#add({ code: 0x85, value: helper });
  }

  jump(
    comparison: keyof typeof comparisons,
    one: Register,
    other: number | { readonly of: Register },
    label: string,
  ): this {
    const code = comparisons[comparison];
    return typeof other === "number"
      ? this.#add({ code, to: one, value: other, label })
      : this.#add({ code: code + 8, to: one, from: other.of, label });
  }

  goto(label: string): this {
    return this.#add({ code: 0x05, label });
  }

  label(label: string): this {
    if (this.#labels.has(label)) throw new RangeError(`label ${label} is defined twice`);
    this.#labels.set(label, this.#lines.length);
    return this;
  }

  exit(): this {
    return this.#add({ code: 0x95 });
  }

  /** @throws RangeError for a jump to a label that is missing */
  bytes(): Uint8Array {
    const bytes = Buffer.alloc(this.#lines.length * INSTRUCTION_BYTES);
    for (const [index, line] of this.#lines.entries()) {
      const { code, to = 0, from = 0, offset = 0, label, target } = line;
      const value = target === undefined ? (line.value ?? 0) : this.#distance(target, index);
      const at = index * INSTRUCTION_BYTES;
      bytes.writeUInt8(code, at);
      bytes.writeUInt8(to | (from << 4), at + 1);
      bytes.writeInt16LE(label === undefined ? offset : this.#distance(label, index), at + 2);
      bytes.writeInt32LE(value, at + 4);
    }
    return bytes;
  }

  /** The number of instructions before a label. @throws RangeError if it is missing */
  position(label: string): number {
    return this.#distance(label, -1);
  }

  #distance(label: string, from: number): number {
    const target = this.#labels.get(label);
    if (target === undefined) throw new RangeError(`label ${label} is missing`);
    return target - from - 1;
  }

  #add(line: Instruction): this {
    this.#lines.push(line);
    return this;
  }
}
