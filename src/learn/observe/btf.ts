/**
 * Reads the kernel's description of its own types, `/sys/kernel/btf/vmlinux`: the offsets of fields in
 * structs, and the numbers of functions. Documentation/bpf/btf.rst, `linux/btf.h`. Pure.
 */

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
const TYPE_BYTES = 12;
const MEMBER_BYTES = 12;

/**
 * The number of bytes after a type's first twelve bytes, by the type's kind: `once` per type, and `each` per
 * member.
 */
const once: Readonly<Record<number, number>> = { 1: 4, [KIND_ARRAY]: 12, 14: 4, 17: 4 };
const each: Readonly<Record<number, number>> = {
  [KIND_STRUCT]: MEMBER_BYTES,
  [KIND_UNION]: MEMBER_BYTES,
  6: 8,
  13: 8,
  15: 12,
  19: 12,
};

export class KernelTypes {
  readonly #bytes: Buffer;
  readonly #strings: number;
  /** The offset of each type's description, by the type's number. */
  readonly #types: number[] = [0];

  /** @throws RangeError for bytes in another format */
  constructor(bytes: Buffer) {
    if (bytes.length < HEADER_BYTES || bytes.readUInt16LE(0) !== MAGIC) throw new RangeError("no BTF");
    const header = bytes.readUInt32LE(4);
    this.#bytes = bytes;
    this.#strings = header + bytes.readUInt32LE(16);
    const end = header + bytes.readUInt32LE(8) + bytes.readUInt32LE(12);
    for (let at = header + bytes.readUInt32LE(8); at < end; ) {
      this.#types.push(at);
      const kind = this.#kind(at);
      at += TYPE_BYTES + (once[kind] ?? 0) + (each[kind] ?? 0) * this.#members(at);
    }
  }

  /** Finds a function; undefined if this kernel does not have it, or has it only inlined. */
  function(name: string): KernelFunction | undefined {
    const id = this.#find(name, KIND_FUNC);
    if (id === undefined) return undefined;
    const prototype = this.#at(this.#bytes.readUInt32LE(this.#at(id) + 8));
    return { id, parameters: this.#members(prototype) };
  }

  /**
   * Offset of a field in its struct, in bytes.
   * @param path such as `file.f_path.dentry`: a struct, a field, and fields inside that field
   * @throws RangeError if this kernel has no such field
   */
  offset(path: string): number {
    const [struct = "", ...fields] = path.split(".");
    let type = this.#find(struct, KIND_STRUCT);
    let offset = 0;
    for (const field of fields) {
      const found = type === undefined ? undefined : this.#field(type, field);
      if (found === undefined) throw new RangeError(`this kernel's types have no ${path}`);
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
    const mask = this.#bytes.readUInt32LE(struct + 4) >>> 31 === 1 ? 0xffffff : 0xffffffff;
    for (let index = 0; index < this.#members(struct); index++) {
      const member = struct + TYPE_BYTES + index * MEMBER_BYTES;
      const type = this.#bytes.readUInt32LE(member + 4);
      const offset = (this.#bytes.readUInt32LE(member + 8) & mask) / 8;
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
    return [8, 9, 10, 11, 18].includes(kind) ? this.#structOf(this.#bytes.readUInt32LE(at + 8)) : undefined;
  }

  #find(name: string, kind: number): number | undefined {
    // BTF holds each string only once, so it is enough to compare offsets. Reading 100,000 names would be
    // slower.
    const text = this.#bytes.indexOf(`\0${name}\0`, this.#strings);
    if (text === -1) return undefined;
    const offset = text + 1 - this.#strings;
    const id = this.#types.findIndex(
      (at, id) => id > 0 && this.#bytes.readUInt32LE(at) === offset && this.#kind(at) === kind,
    );
    return id === -1 ? undefined : id;
  }

  #at(id: number): number {
    const at = this.#types[id];
    if (id === 0 || at === undefined) throw new RangeError(`BTF has no type ${id}`);
    return at;
  }

  #kind(at: number): number {
    return (this.#bytes.readUInt32LE(at + 4) >>> 24) & 0x1f;
  }

  /** The number of a type's members: fields of a struct or union, parameters of a function. */
  #members(at: number): number {
    return this.#bytes.readUInt32LE(at + 4) & 0xffff;
  }

  #name(at: number): string {
    const from = this.#strings + this.#bytes.readUInt32LE(at);
    return this.#bytes.toString("utf8", from, this.#bytes.indexOf(0, from));
  }
}
