/**
 * Reads the kernel's description of its own types, `/sys/kernel/btf/vmlinux`: the offsets of fields in
 * structs, and the numbers of functions. Documentation/bpf/btf.rst, `linux/btf.h`. Pure.
 */

/** The file that {@link KernelTypes} reads. */
export const typesFile = "/sys/kernel/btf/vmlinux";

export interface KernelFunction {
  /** Number of the function. It is needed to attach a program to the function. */
  readonly id: number;
  /** Number of its parameters. */
  readonly parameters: number;
}

const KIND_ARRAY = 3;
const KIND_STRUCT = 4;
const KIND_UNION = 5;
const KIND_FUNC = 12;
const MAGIC = 0xeb9f;
const HEADER_BYTES = 24;
const TYPE_WORDS = 3;
const MEMBER_WORDS = 3;

/** The number of words after a type's first three, by the type's kind: `once` per type, `each` per member. */
const once = new Uint8Array(32);
for (const [kind, words] of [
  [1, 1],
  [KIND_ARRAY, 3],
  [14, 1],
  [17, 1],
] as const)
  once[kind] = words;
const each = new Uint8Array(32);
for (const [kind, words] of [
  [KIND_STRUCT, 3],
  [KIND_UNION, 3],
  [6, 2],
  [13, 2],
  [15, 3],
  [19, 3],
] as const)
  each[kind] = words;

export class KernelTypes {
  readonly #bytes: Buffer;
  readonly #strings: number;
  /**
   * The descriptions of all types. Words, because a kernel has more than 100,000 types, and reading numbers
   * from bytes would hold up the event loop for a tenth of a second.
   */
  readonly #words: Uint32Array;
  /** The index of each type's first word, by the type's number. */
  readonly #types: number[] = [0];

  /** @throws RangeError for bytes in another format */
  constructor(bytes: Buffer) {
    if (bytes.length < HEADER_BYTES || bytes.readUInt16LE(0) !== MAGIC) throw new RangeError("no BTF");
    const header = bytes.readUInt32LE(4);
    this.#bytes = bytes;
    this.#strings = header + bytes.readUInt32LE(16);
    const begin = header + bytes.readUInt32LE(8);
    const section = Uint8Array.from(bytes.subarray(begin, begin + bytes.readUInt32LE(12)));
    const words = new Uint32Array(section.buffer, 0, section.length >>> 2);
    this.#words = words;
    for (let at = 0; at < words.length; ) {
      this.#types.push(at);
      const info = words[at + 1] as number;
      const kind = (info >>> 24) & 0x1f;
      at += TYPE_WORDS + (once[kind] as number) + (each[kind] as number) * (info & 0xffff);
    }
  }

  /** Finds a function; undefined if this kernel does not have it, or has it only inlined. */
  function(name: string): KernelFunction | undefined {
    const id = this.#find(name, KIND_FUNC);
    if (id === undefined) return undefined;
    const prototype = this.#at(this.#word(this.#at(id) + 2));
    return { id, parameters: this.#members(prototype) };
  }

  /**
   * Offset of a field in its struct, in bytes.
   * @param path such as `file.f_path.dentry`: a struct, a field, and fields inside that field
   * @throws RangeError if this kernel has no such field
   */
  offset(path: string): number {
    const offset = this.findOffset(path);
    if (offset === undefined) throw new RangeError(`this kernel's types have no ${path}`);
    return offset;
  }

  /** As {@link offset}; undefined if this kernel has no such field. */
  findOffset(path: string): number | undefined {
    const [struct = "", ...fields] = path.split(".");
    let type = this.#find(struct, KIND_STRUCT);
    let offset = 0;
    for (const field of fields) {
      const found = type === undefined ? undefined : this.#field(type, field);
      if (found === undefined) return undefined;
      offset += found.offset;
      type = found.type;
    }
    return offset;
  }

  /** Finds a field of a struct, or of the anonymous structs and unions in it. */
  #field(id: number, name: string): { readonly offset: number; readonly type: number } | undefined {
    const struct = this.#structOf(id);
    if (struct === undefined) return undefined;
    // If the struct has the flag `kind_flag`, the upper eight bits of an offset are the size of a bit field.
    const mask = this.#word(struct + 1) >>> 31 === 1 ? 0xffffff : 0xffffffff;
    for (let index = 0; index < this.#members(struct); index++) {
      const member = struct + TYPE_WORDS + index * MEMBER_WORDS;
      const type = this.#word(member + 1);
      const offset = (this.#word(member + 2) & mask) / 8;
      const own = this.#name(member);
      if (own === name) return { offset, type };
      const inner = own === "" ? this.#field(type, name) : undefined;
      if (inner !== undefined) return { offset: offset + inner.offset, type: inner.type };
    }
    return undefined;
  }

  /** Resolves a type's typedefs and qualifiers to a struct or union. */
  #structOf(id: number): number | undefined {
    const at = this.#at(id);
    const kind = this.#kind(at);
    if (kind === KIND_STRUCT || kind === KIND_UNION) return at;
    // typedef, volatile, const, restrict, type tag
    return [8, 9, 10, 11, 18].includes(kind) ? this.#structOf(this.#word(at + 2)) : undefined;
  }

  #find(name: string, kind: number): number | undefined {
    // BTF holds each string only once, so it is enough to compare offsets. Reading 100,000 names would be
    // slower.
    const text = this.#bytes.indexOf(`\0${name}\0`, this.#strings);
    if (text === -1) return undefined;
    const offset = text + 1 - this.#strings;
    const id = this.#types.findIndex(
      (at, id) => id > 0 && this.#words[at] === offset && this.#kind(at) === kind,
    );
    return id === -1 ? undefined : id;
  }

  #at(id: number): number {
    const at = this.#types[id];
    if (id === 0 || at === undefined) throw new RangeError(`BTF has no type ${id}`);
    return at;
  }

  /** @throws RangeError beyond the end */
  #word(at: number): number {
    const word = this.#words[at];
    if (word === undefined) throw new RangeError("BTF ends early");
    return word;
  }

  #kind(at: number): number {
    return (this.#word(at + 1) >>> 24) & 0x1f;
  }

  /** The number of a type's members: fields of a struct or union, parameters of a function. */
  #members(at: number): number {
    return this.#word(at + 1) & 0xffff;
  }

  #name(at: number): string {
    const from = this.#strings + this.#word(at);
    return this.#bytes.toString("utf8", from, this.#bytes.indexOf(0, from));
  }
}

/** Numbers of the types in {@link functionTypes}: of a program, and of its function. */
export const mainType = 3;
export const functionType = 4;

/** The types of a program with one function: a number, a prototype that returns it, and two such functions. */
export function functionTypes(): Buffer {
  const strings = Buffer.from("\0int\0main\0found\0");
  const signed = 1 << 24;
  const words = [
    ...[1, 1 << 24, 4, signed | 32],
    ...[0, 13 << 24, 1],
    ...[5, KIND_FUNC << 24, 2],
    ...[10, KIND_FUNC << 24, 2],
  ];
  const header = [MAGIC | (1 << 16), HEADER_BYTES, 0, words.length * 4, words.length * 4, strings.length];
  return Buffer.concat([Buffer.from(new Uint32Array([...header, ...words]).buffer), strings]);
}
