/** Changes ELF executables: elf(5), and the generic ABI's chapters on dynamic linking. Pure. */

/** Offsets in an `Elf64_Ehdr`. */
const fileHeader = {
  machine: 18,
  programHeaders: 32,
  sectionHeaders: 40,
  programHeaderSize: 54,
  programHeaderCount: 56,
  sectionCount: 60,
  sectionNames: 62,
};
/** Offsets in an `Elf64_Phdr`. */
const programHeader = { type: 0, flags: 4, offset: 8, address: 16, bytesInFile: 32, bytes: 40 };
const segmentType = { load: 1, dynamic: 2 };
const executable = 1;
const dynamicTag = {
  library: 1,
  pltRelocationBytes: 2,
  strings: 5,
  symbols: 6,
  pltRelocations: 23,
  neededVersions: 0x6ffffffe,
  neededVersionCount: 0x6fffffff,
};
const dynamicEntryBytes = 16;
const symbolBytes = 24;
/** Offsets in an `Elf64_Rela`. */
const relocation = { address: 0, type: 8, symbol: 12, addend: 16, bytes: 24 };
/** `R_X86_64_RELATIVE` and `R_AARCH64_RELATIVE`, by the number of the machine. */
const relativeType = new Map([
  [62, 8],
  [183, 1027],
]);

/**
 * Removes symbols, debugging information and the table of sections by cutting the file after its last
 * segment. The kernel and the dynamic linker read nothing after that segment.
 */
export function strip(elf: Buffer): Buffer {
  const ends = segments(elf).map(({ offset, bytesInFile }) => offset + bytesInFile);
  const stripped = Buffer.from(elf.subarray(0, Math.max(...ends)));
  stripped.writeBigUInt64LE(0n, fileHeader.sectionHeaders);
  stripped.writeUInt16LE(0, fileHeader.sectionCount);
  stripped.writeUInt16LE(0, fileHeader.sectionNames);
  return stripped;
}

/**
 * Adds code for functions that an executable otherwise imports.
 * @param code the functions' code, for the executable's machine
 * @param functions their offsets in the code
 * @throws Error if the executable does not import one of the functions, or has no room for the code
 */
export function embedFunctions(
  elf: Buffer,
  code: Uint8Array,
  functions: Readonly<Record<string, number>>,
): Buffer {
  const changed = Buffer.from(elf);
  const address = appendCode(changed, code);
  const type = relativeType.get(changed.readUInt16LE(fileHeader.machine));
  if (type === undefined) throw new Error("the ELF file is for another machine");
  for (const [name, offset] of Object.entries(functions)) {
    const at = relocationOf(changed, name);
    changed.writeUInt32LE(type, at + relocation.type);
    changed.writeUInt32LE(0, at + relocation.symbol);
    changed.writeBigInt64LE(BigInt(address + offset), at + relocation.addend);
  }
  return changed;
}

/**
 * Removes a library from the libraries that an executable loads. The executable must no longer use it.
 * @throws Error if the executable does not need the library
 */
export function dropLibrary(elf: Buffer, name: string): Buffer {
  const changed = Buffer.from(elf);
  const dynamic = dynamicSection(changed);
  const strings = offsetOf(changed, numberOf(changed, dynamicTag.strings));
  const isNamed = (at: number) => textAt(changed, strings + at) === name;
  const entry = dynamic.find(({ tag, value }) => tag === dynamicTag.library && isNamed(value));
  if (entry === undefined) throw new Error(`the ELF file does not need ${name}`);
  dropVersions(changed, isNamed);
  const end = (dynamic.at(-1)?.at ?? 0) + dynamicEntryBytes;
  changed.copyWithin(entry.at, entry.at + dynamicEntryBytes, end);
  return changed;
}

/** Removes a library from the needed versions of symbols: a list of `Elf64_Verneed`, linked by offsets. */
function dropVersions(elf: Buffer, isDropped: (library: number) => boolean): void {
  const verneed = { file: 4, next: 12 };
  const first = offsetOf(elf, numberOf(elf, dynamicTag.neededVersions));
  const count = numberOf(elf, dynamicTag.neededVersionCount);
  let [previous, at]: [number | undefined, number] = [undefined, first];
  for (let index = 0; index < count; index++) {
    const next = elf.readUInt32LE(at + verneed.next);
    if (isDropped(elf.readUInt32LE(at + verneed.file))) {
      if (previous === undefined) writeValue(elf, dynamicTag.neededVersions, (value) => value + next);
      else elf.writeUInt32LE(next === 0 ? 0 : at + next - previous, previous + verneed.next);
      writeValue(elf, dynamicTag.neededVersionCount, (value) => value - 1);
      return;
    }
    [previous, at] = [at, at + next];
  }
}

/** Writes code after the executable's own code, before the next segment. Returns the new code's address. */
function appendCode(elf: Buffer, code: Uint8Array): number {
  const all = segments(elf);
  const segment = all.find(({ type, flags }) => type === segmentType.load && (flags & executable) !== 0);
  if (segment === undefined) throw new Error("the ELF file has no code");
  const end = segment.offset + segment.bytesInFile;
  const at = Math.ceil(end / 16) * 16;
  const next = Math.min(...all.map(({ offset }) => offset).filter((offset) => offset >= end));
  if (at + code.byteLength > next) throw new Error("the ELF file has no room for more code");
  elf.set(code, at);
  const bytes = BigInt(at + code.byteLength - segment.offset);
  elf.writeBigUInt64LE(bytes, segment.at + programHeader.bytesInFile);
  elf.writeBigUInt64LE(bytes, segment.at + programHeader.bytes);
  return segment.address + at - segment.offset;
}

/** Offset of the relocation of a function that is called through the procedure linkage table. */
function relocationOf(elf: Buffer, name: string): number {
  const offset = (tag: number) => offsetOf(elf, numberOf(elf, tag));
  const [relocations, symbols, strings] = [
    offset(dynamicTag.pltRelocations),
    offset(dynamicTag.symbols),
    offset(dynamicTag.strings),
  ];
  const end = relocations + numberOf(elf, dynamicTag.pltRelocationBytes);
  for (let at = relocations; at < end; at += relocation.bytes) {
    const symbol = symbols + elf.readUInt32LE(at + relocation.symbol) * symbolBytes;
    if (textAt(elf, strings + elf.readUInt32LE(symbol)) === name) return at;
  }
  throw new Error(`the ELF file does not import ${name}`);
}

interface DynamicEntry {
  readonly at: number;
  readonly tag: number;
  readonly value: number;
}

function dynamicSection(elf: Buffer): DynamicEntry[] {
  const segment = segments(elf).find(({ type }) => type === segmentType.dynamic);
  if (segment === undefined) throw new Error("the ELF file is not linked dynamically");
  return Array.from({ length: segment.bytesInFile / dynamicEntryBytes }, (_, index) => {
    const at = segment.offset + index * dynamicEntryBytes;
    return { at, tag: numberAt(elf, at), value: numberAt(elf, at + 8) };
  });
}

function entryOf(elf: Buffer, wanted: number): DynamicEntry {
  const entry = dynamicSection(elf).find(({ tag }) => tag === wanted);
  if (entry === undefined) throw new Error(`the ELF file's dynamic section lacks tag ${wanted}`);
  return entry;
}

function numberOf(elf: Buffer, tag: number): number {
  return entryOf(elf, tag).value;
}

function writeValue(elf: Buffer, tag: number, change: (value: number) => number): void {
  const { at, value } = entryOf(elf, tag);
  elf.writeBigUInt64LE(BigInt(change(value)), at + 8);
}

interface Segment {
  /** Offset of its program header. */
  readonly at: number;
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly address: number;
  readonly bytesInFile: number;
}

function segments(elf: Buffer): Segment[] {
  if (elf.toString("latin1", 0, 5) !== "\x7fELF\x02") throw new Error("not a 64-bit ELF file");
  const start = numberAt(elf, fileHeader.programHeaders);
  const size = elf.readUInt16LE(fileHeader.programHeaderSize);
  return Array.from({ length: elf.readUInt16LE(fileHeader.programHeaderCount) }, (_, index) => {
    const at = start + index * size;
    return {
      at,
      type: elf.readUInt32LE(at + programHeader.type),
      flags: elf.readUInt32LE(at + programHeader.flags),
      offset: numberAt(elf, at + programHeader.offset),
      address: numberAt(elf, at + programHeader.address),
      bytesInFile: numberAt(elf, at + programHeader.bytesInFile),
    };
  });
}

function offsetOf(elf: Buffer, address: number): number {
  const segment = segments(elf).find(
    (each) =>
      each.type === segmentType.load && each.address <= address && address < each.address + each.bytesInFile,
  );
  if (segment === undefined) throw new Error(`the ELF file has nothing at address ${address}`);
  return address - segment.address + segment.offset;
}

function textAt(elf: Buffer, offset: number): string {
  return elf.toString("latin1", offset, elf.indexOf(0, offset));
}

/** Offsets and sizes of files of this kind are below 2^53. */
function numberAt(elf: Buffer, offset: number): number {
  return Number(elf.readBigUInt64LE(offset));
}
