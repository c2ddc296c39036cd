/**
 * Makes maps and loads programs by bpf(2), and attaches programs to tracepoints; cgroupPrograms.ts attaches
 * others to cgroups.
 */
import { closeSync, readFileSync } from "node:fs";
import { hasErrno } from "../../base/errors.ts";
import { bpf, writePointer } from "../kernel/libc.ts";
import { functionType, functionTypes, mainType } from "./btf.ts";
import { INSTRUCTION_BYTES } from "./program.ts";

/** `enum bpf_cmd` of `linux/bpf.h`. */
const commands = {
  mapCreate: 0,
  mapLookUp: 1,
  mapUpdate: 2,
  mapDelete: 3,
  mapNextKey: 4,
  load: 5,
  attach: 17,
  loadTypes: 18,
  mapUpdateBatch: 26,
  mapDeleteBatch: 27,
};

/** `enum bpf_map_type` of `linux/bpf.h`. */
export const mapTypes = {
  hash: 1,
  array: 2,
  programs: 3,
  arrayPerProcessor: 6,
  prefixTrie: 11,
  cgroupStorage: 19,
  ring: 27,
} as const;
const BPF_F_NO_PREALLOC = 1;

const BPF_PROG_TYPE_RAW_TRACEPOINT = 17;

/** Bytes of `union bpf_attr` that these calls use. */
export const ATTR_BYTES = 120;

export interface MapShape {
  readonly type: keyof typeof mapTypes;
  /** 0 for a ring. */
  readonly keyBytes: number;
  readonly valueBytes: number;
  /** Maximum number of entries. 0 for the storage of cgroups; of a ring the bytes, a power of two of pages. */
  readonly entries: number;
}

/** @returns a descriptor; close-on-exec, like all descriptors from bpf(2) */
export function createMap({ type, keyBytes, valueBytes, entries }: MapShape): number {
  const attr = Buffer.alloc(ATTR_BYTES);
  const flags = type === "hash" || type === "prefixTrie" ? BPF_F_NO_PREALLOC : 0;
  for (const [index, word] of [mapTypes[type], keyBytes, valueBytes, entries, flags].entries())
    attr.writeUInt32LE(word, index * 4);
  return bpf(commands.mapCreate, attr, "a map");
}

export function setEntry(map: number, key: Uint8Array, value: Uint8Array): void {
  bpf(commands.mapUpdate, entryAttr(map, key, value), "a map's entry");
}

/**
 * Reads and writes entries of a map, one at a time. Key, value and the call's arguments stay where they are, because
 * to find out the addresses of new ones takes as long as the call.
 */
export class EntryWindow {
  readonly key: Buffer;
  readonly value: Buffer;
  readonly #attr: Buffer;
  readonly #keyAttr: Buffer;

  constructor(map: number, { keyBytes, valueBytes }: Pick<MapShape, "keyBytes" | "valueBytes">) {
    this.key = Buffer.alloc(keyBytes);
    this.value = Buffer.alloc(valueBytes);
    this.#attr = entryAttr(map, this.key, this.value);
    this.#keyAttr = entryAttr(map, this.key, new Uint8Array(0));
  }

  /**
   * Sets the entry of `key` to `value`.
   * @param expected an errno that is no error
   * @throws DriverError `KERNEL_CALL_FAILED`
   */
  set(expected?: string): void {
    bpf(commands.mapUpdate, this.#attr, "a map's entry", expected);
  }

  /** Reads the entry of `key` into `value`. @returns whether the map has it */
  find(): boolean {
    return bpf(commands.mapLookUp, this.#attr, "a map's entry", "ENOENT") >= 0;
  }

  /** Deletes the entry of `key`, if the map has it. */
  delete(): void {
    bpf(commands.mapDelete, this.#keyAttr, "a map's entry", "ENOENT");
  }
}

/**
 * Sets the same value for several keys, in one call where the kernel can.
 * @throws DriverError `KERNEL_CALL_FAILED`; some of the entries may be set then
 */
export function setEntries(map: number, keys: readonly Uint8Array[], value: Uint8Array): void {
  const attr = batchAttr(map, keys);
  writePointer(attr, 24, Buffer.concat(keys.map(() => value)));
  try {
    if (keys.length > 0) bpf(commands.mapUpdateBatch, attr, "a map's entries");
  } catch (thrown) {
    // The kernel's own number 524, ENOTSUPP: this type of map has no such call.
    if (!hasErrno(thrown, "errno 524") && !hasErrno(thrown, "EINVAL")) throw thrown;
    for (const key of keys) setEntry(map, key, value);
  }
}

/** Deletes several entries, in one call where the kernel can and the map has all of them. */
export function deleteEntries(map: number, keys: readonly Uint8Array[]): void {
  const attr = batchAttr(map, keys);
  try {
    if (keys.length > 0) bpf(commands.mapDeleteBatch, attr, "a map's entries");
  } catch {
    for (const key of keys) deleteEntry(map, key);
  }
}

function batchAttr(map: number, keys: readonly Uint8Array[]): Buffer {
  const attr = Buffer.alloc(ATTR_BYTES);
  writePointer(attr, 16, Buffer.concat(keys));
  attr.writeUInt32LE(keys.length, 32);
  attr.writeUInt32LE(map, 36);
  return attr;
}

export function readEntry(map: number, key: Uint8Array, valueBytes: number): Buffer {
  const value = Buffer.alloc(valueBytes);
  bpf(commands.mapLookUp, entryAttr(map, key, value), "a map's entry");
  return value;
}

/** @returns undefined if the map lacks the key */
export function findEntry(map: number, key: Uint8Array, valueBytes: number): Buffer | undefined {
  const value = Buffer.alloc(valueBytes);
  return bpf(commands.mapLookUp, entryAttr(map, key, value), "a map's entry", "ENOENT") < 0
    ? undefined
    : value;
}

/** Deletes an entry, if the map has it. */
export function deleteEntry(map: number, key: Uint8Array): void {
  bpf(commands.mapDelete, entryAttr(map, key, new Uint8Array(0)), "a map's entry", "ENOENT");
}

/** All keys of a map. Keys may be added meanwhile, but must not be removed. */
export function keysOf(map: number, keyBytes: number): Buffer[] {
  const keys: Buffer[] = [];
  for (;;) {
    const next = Buffer.alloc(keyBytes);
    const attr = entryAttr(map, keys.at(-1), next);
    if (bpf(commands.mapNextKey, attr, "a map's keys", "ENOENT") < 0) return keys;
    keys.push(next);
  }
}

/**
 * Loads a program, and attaches it to a tracepoint of the kernel. Closing the descriptors detaches and
 * unloads the program.
 * @param functionAt number of instructions before the program's only function, if it has one
 * @throws DriverError `KERNEL_CALL_FAILED`, with ENOENT if the kernel has no such tracepoint
 */
export function trace(
  tracepoint: string,
  code: Uint8Array,
  functionAt?: number,
): { readonly program: number; readonly link: number } {
  const attr = programAttr(BPF_PROG_TYPE_RAW_TRACEPOINT, code);
  using types = new DisposableStack();
  if (functionAt !== undefined) describeFunctions(attr, functionAt, types);
  const program = load(attr);
  const name = Buffer.from(`${tracepoint}\0`);
  const attached = Buffer.alloc(ATTR_BYTES);
  writePointer(attached, 0, name);
  attached.writeUInt32LE(program, 8);
  try {
    return { program, link: bpf(commands.attach, attached, tracepoint) };
  } catch (thrown) {
    closeSync(program);
    throw thrown;
  }
}

/** Loads a program that is called by programs at tracepoints. @returns a descriptor */
export function loadTracing(code: Uint8Array): number {
  return load(programAttr(BPF_PROG_TYPE_RAW_TRACEPOINT, code));
}

/** The `union bpf_attr` that loads a program. @param type of `enum bpf_prog_type` */
export function programAttr(type: number, code: Uint8Array): Buffer {
  const attr = Buffer.alloc(ATTR_BYTES);
  attr.writeUInt32LE(type, 0);
  attr.writeUInt32LE(code.length / INSTRUCTION_BYTES, 4);
  writePointer(attr, 8, code);
  // Some helpers require a program under the GPL. These programs are under both licences.
  writePointer(attr, 16, Buffer.from("Dual MIT/GPL\0"));
  return attr;
}

/**
 * Describes a program and its function, without which the kernel lets no helper call the function: types of the
 * program itself, `func_info` of `linux/bpf.h`.
 * @param types closes the description
 */
function describeFunctions(attr: Buffer, functionAt: number, types: DisposableStack): void {
  const described = functionTypes();
  const btf = Buffer.alloc(ATTR_BYTES);
  writePointer(btf, 0, described);
  btf.writeUInt32LE(described.length, 16);
  const functions = Buffer.from(new Uint32Array([0, mainType, functionAt, functionType]).buffer);
  attr.writeUInt32LE(types.adopt(bpf(commands.loadTypes, btf, "types"), closeSync), 72);
  attr.writeUInt32LE(functions.length / 2, 76);
  writePointer(attr, 80, functions);
  attr.writeUInt32LE(2, 88);
}

/** Loads a program. Tries again on EAGAIN: the kernel stops checking a program when a signal arrives. */
export function load(attr: Uint8Array, attempts = 10): number {
  const program = bpf(commands.load, attr, "a program", attempts > 1 ? "EAGAIN" : undefined);
  return program >= 0 ? program : load(attr, attempts - 1);
}

/** Number of times that a program did not run because it was already running on the same processor. */
export function missedRuns(program: number): number {
  const info = readFileSync(`/proc/self/fdinfo/${program}`, "utf8");
  return Number(/^recursion_misses:\s*(\d+)/m.exec(info)?.[1] ?? 0);
}

function entryAttr(map: number, key: Uint8Array | undefined, value: Uint8Array): Buffer {
  const attr = Buffer.alloc(ATTR_BYTES);
  attr.writeUInt32LE(map, 0);
  if (key !== undefined) writePointer(attr, 8, key);
  writePointer(attr, 16, value);
  return attr;
}
