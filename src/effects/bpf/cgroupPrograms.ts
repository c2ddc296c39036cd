/**
 * Loads BPF programs for cgroups, attaches them, and finds attached ones: bpf(2). An attached program and its maps
 * stay until the cgroup is removed, whoever has loaded them.
 */
import { bpf, writePointer } from "../kernel/libc.ts";
import { ATTR_BYTES, load, programAttr } from "./bpf.ts";

/** `enum bpf_cmd` of `linux/bpf.h`. */
const commands = {
  attach: 8,
  detach: 9,
  openProgram: 13,
  openMap: 14,
  info: 15,
  query: 16,
  link: 28,
};

/**
 * Several programs may be attached, and all must allow. To detach a program then takes its descriptor: with other
 * flags, anybody who can open the cgroup's folder may detach it.
 */
const BPF_F_ALLOW_MULTI = 2;

const NAME_BYTES = 16;

/** Offsets in `struct bpf_prog_info` and `struct bpf_map_info`. */
const infoFields = { type: 0, id: 4, mapCount: 52, mapIds: 56, name: 64, bytes: 80 } as const;

/** More of one type are never attached to a cgroup: BPF_CGROUP_MAX_PROGS of the kernel. */
const MAX_PROGRAMS = 64;
const MAX_MAPS = 64;

/**
 * Loads a program that can be attached to cgroups.
 * @param name up to 15 letters, digits and underscores
 * @returns a descriptor
 * @throws DriverError `KERNEL_CALL_FAILED`
 */
export function loadCgroupProgram(
  {
    type,
    attachType,
    bytes,
  }: { readonly type: number; readonly attachType: number; readonly bytes: Uint8Array },
  name: string,
): number {
  const attr = programAttr(type, bytes);
  attr.write(name, 48, NAME_BYTES - 1, "latin1");
  attr.writeUInt32LE(attachType, 68);
  return load(attr);
}

/**
 * @param cgroup descriptor of its folder
 * @param mayBeAttached whether the program may be attached already
 * @returns false if it was attached already
 */
export function attachToCgroup(
  cgroup: number,
  program: number,
  attachType: number,
  mayBeAttached = false,
): boolean {
  const attr = attachment(cgroup, program, attachType, BPF_F_ALLOW_MULTI);
  return bpf(commands.attach, attr, "a cgroup", mayBeAttached ? "EINVAL" : undefined) >= 0;
}

/** Attaches a program until the returned descriptor is closed. */
export function linkToCgroup(cgroup: number, program: number, attachType: number): number {
  return bpf(commands.link, attachment(program, cgroup, attachType, 0), "a cgroup");
}

/** Detaches a program, if it is attached. */
export function detachFromCgroup(cgroup: number, program: number, attachType: number): void {
  bpf(commands.detach, attachment(cgroup, program, attachType, 0), "a cgroup", "ENOENT");
}

/** Each start attaches several programs, so their arguments share their bytes. */
const attachmentAttr = Buffer.alloc(ATTR_BYTES);

function attachment(...words: readonly [number, number, attachType: number, flags: number]): Buffer {
  for (const [index, word] of words.entries()) attachmentAttr.writeUInt32LE(word, index * 4);
  return attachmentAttr;
}

/** Ids of the programs that are attached to a cgroup itself. */
export function attachedPrograms(cgroup: number, attachType: number): number[] {
  query ??= newQuery();
  const { attr, ids } = query;
  attr.writeUInt32LE(cgroup, 0);
  attr.writeUInt32LE(attachType, 4);
  attr.writeUInt32LE(MAX_PROGRAMS, 24);
  bpf(commands.query, attr, "a cgroup's programs");
  return Array.from({ length: attr.readUInt32LE(24) }, (_, index) => ids.readUInt32LE(index * 4));
}

/** Each start asks, so the questions share their bytes. */
let query: { readonly attr: Buffer; readonly ids: Buffer } | undefined;

function newQuery() {
  const ids = Buffer.alloc(MAX_PROGRAMS * 4);
  const attr = Buffer.alloc(ATTR_BYTES);
  writePointer(attr, 16, ids);
  return { attr, ids };
}

/** @returns a descriptor; undefined if there is no such program any more */
export function openProgram(id: number): number | undefined {
  return openById(commands.openProgram, id);
}

/** @returns a descriptor; undefined if there is no such map any more */
export function openMap(id: number): number | undefined {
  return openById(commands.openMap, id);
}

function openById(command: number, id: number): number | undefined {
  const attr = Buffer.alloc(ATTR_BYTES);
  attr.writeUInt32LE(id, 0);
  const descriptor = bpf(command, attr, `id ${id}`, "ENOENT");
  return descriptor < 0 ? undefined : descriptor;
}

/** What the kernel says about a program. */
export interface ProgramInfo {
  readonly id: number;
  readonly name: string;
  readonly mapIds: readonly number[];
}

export function programInfo(program: number): ProgramInfo {
  const maps = Buffer.alloc(MAX_MAPS * 4);
  const info = infoOf(program, (question) => {
    question.writeUInt32LE(MAX_MAPS, infoFields.mapCount);
    writePointer(question, infoFields.mapIds, maps);
  });
  const count = Math.min(info.readUInt32LE(infoFields.mapCount), MAX_MAPS);
  const name = info.subarray(infoFields.name, infoFields.name + NAME_BYTES);
  return {
    id: info.readUInt32LE(infoFields.id),
    name: name.toString("latin1").replace(/\0.*$/s, ""),
    mapIds: Array.from({ length: count }, (_, index) => maps.readUInt32LE(index * 4)),
  };
}

/** The type of a map, a number of `enum bpf_map_type`, and its id. */
export function mapInfo(map: number): { readonly type: number; readonly id: number } {
  const info = infoOf(map);
  return { type: info.readUInt32LE(infoFields.type), id: info.readUInt32LE(infoFields.id) };
}

function infoOf(descriptor: number, ask?: (question: Buffer) => void): Buffer {
  const info = Buffer.alloc(infoFields.bytes);
  ask?.(info);
  const attr = Buffer.alloc(ATTR_BYTES);
  attr.writeUInt32LE(descriptor, 0);
  attr.writeUInt32LE(info.length, 4);
  writePointer(attr, 8, info);
  bpf(commands.info, attr, "what it has");
  return info;
}
