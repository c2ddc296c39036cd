/**
 * BPF programs that record what watched tasks use, mostly at the end of system calls. They record names as
 * the task passes them, and the path of a file whose descriptor a call returns. They run at tracepoints,
 * because every kernel with tracing has these. Functions inside the kernel may be missing, or closed to BPF
 * programs.
 *
 * Each record is called a note. A note is a key of a map, so repetitions cost no memory: see
 * {@link noteLayout}. Pure.
 */

import { AF_INET, AF_INET6, AF_UNIX } from "../../effects/kernel/constants.ts";
import { type Architecture, systemCallNumber } from "../../effects/kernel/systemCalls.ts";
import type { KernelTypes } from "./btf.ts";
import { noteKinds, noteLayout, openBits, REFUSED } from "./notes.ts";
import { Program, type Register } from "./program.ts";
import { argumentOffset, CALL_NUMBERS, type CallTable } from "./watchedCalls.ts";

/** Size of a buffer: a note, and then the length of the note's text. */
export const BUFFER_BYTES = noteLayout.bytes + 8;

/** Descriptors of the maps that the programs use. */
export interface ProbeMaps {
  /** Ids of the watched cgroups. */
  readonly watched: number;
  /** The notes, as keys. */
  readonly notes: number;
  /** On each processor, one buffer per program for its note. The first buffer holds only zeros. */
  readonly buffers: number;
  /** A counter of uses that could not be noted. */
  readonly lost: number;
  /** The tables of {@link callTables}, by name. */
  readonly calls: Readonly<Record<CallTable, number>>;
}

export interface Probe {
  /** The tracepoint at which the program runs. */
  readonly tracepoint: "sys_exit" | "sched_process_exec" | "cap_capable";
  /** Whether kernels may lack the tracepoint. */
  readonly optional?: true;
  readonly body: (probe: ProbeProgram) => void;
}

/** Longer names are counted as lost. */
const maxTextBytes = noteLayout.textBytes - 256;
const maxPathDepth = 100;

/** Helpers of `linux/bpf.h`. */
const MAP_LOOKUP = 1;
const MAP_UPDATE = 2;
const GET_CURRENT_COMM = 16;
const GET_CURRENT_TASK = 35;
const PROBE_READ_USER = 112;
const PROBE_READ_KERNEL = 113;
const PROBE_READ_USER_STR = 114;
const PROBE_READ_KERNEL_STR = 115;
const GET_CURRENT_ANCESTOR_CGROUP_ID = 123;
const BPF_NOEXIST = 1;

const EFAULT = 14;
const EEXIST = 17;
const S_IFCHR = 0o020000;
const S_IFBLK = 0o060000;

/** Registers with a fixed meaning in all programs. */
const buffer: Register = 6;
const dentry: Register = 7;
const mount: Register = 8;
/** The tracepoint's arguments, and later the number of names so far. */
const args: Register = 9;
const count: Register = 9;
const stack: Register = 10;

/** Places on the stack, as offsets from the register `stack`. */
const at = {
  word: -8,
  index: -12,
  read: -24,
  comm: -40,
  registers: -48,
  kind: -56,
  name: -64,
  folder: -72,
  cgroup: -80,
} as const;

type Place = (typeof at)[keyof typeof at];

export interface ProbePlace {
  /** Index of the program's buffer, from 1 on. */
  readonly index: number;
  /** Depth of the watched cgroups below the root cgroup. */
  readonly level: number;
  readonly architecture: Architecture;
}

export class ProbeProgram {
  readonly #types: KernelTypes;
  readonly #maps: ProbeMaps;
  readonly #place: ProbePlace;
  readonly #program = new Program();

  constructor(types: KernelTypes, maps: ProbeMaps, place: ProbePlace) {
    this.#types = types;
    this.#maps = maps;
    this.#place = place;
    this.#program
      .compute("move", args, { of: 1 })
      .compute("move", 1, place.level)
      .call(GET_CURRENT_ANCESTOR_CGROUP_ID)
      .store(8, stack, at.cgroup, { of: 0 });
    this.#lookUp(maps.watched, at.cgroup);
  }

  bytes(): Uint8Array {
    return this.#program.bytes();
  }

  /** Notes the names in the arguments of a table's calls. */
  noteNames(table: CallTable): void {
    this.#findCall(table);
    this.#program
      .load(8, 2, args, 8)
      .jump("equal", 2, -EFAULT, "end")
      .load(4, 1, 0, 12)
      .jump("equal", 1, 0, "any result")
      .jump("signedGreaterOrEqual", 2, 0, "end")
      .label("any result");
    this.#beginNote();
    this.#noteError();
    this.#loadArgument(dentry, at.name);
    this.#program
      .jump("equal", dentry, 0, "end")
      .compute("move", mount, -1)
      .load(8, 1, stack, at.folder)
      .jump("equal", 1, 0, "in no folder");
    this.#loadArgument(mount, at.folder);
    this.#program.label("in no folder");
    this.#noteName(PROBE_READ_USER_STR);
  }

  /** Notes the path of the file whose descriptor a call has returned. */
  noteOpened(): void {
    this.#findCall("opened");
    this.#program.load(8, mount, args, 8).jump("signedLessOrEqual", mount, -1, "end");
    this.#beginNote();
    this.#fileOf(dentry, mount);
    this.#addToDetail(dentry, "file.f_flags", openBits.truncate, 4);
    this.#addToDetail(dentry, "file.f_mode", openBits.read | openBits.write | openBits.created, 4);
    this.#field(mount, dentry, "file.f_inode");
    this.#addToDetail(mount, "inode.i_mode", openBits.type, 2);
    this.#notePath("file.f_path");
  }

  /** Notes the device on which ioctl(2) was called. */
  noteControl(): void {
    const ioctl = systemCallNumber("ioctl", this.#place.architecture);
    this.#loadNumber().jump("notEqual", 1, ioctl, "end");
    this.#program
      .store(8, stack, at.kind, noteKinds.control)
      .store(8, stack, at.name, this.#argumentOffset(0))
      .store(8, stack, at.folder, this.#argumentOffset(1));
    this.#loadArgument(mount, at.name);
    this.#fileOf(dentry, mount);
    this.#field(1, dentry, "file.f_inode");
    this.#field(1, 1, "inode.i_mode", 2)
      .compute("and", 1, openBits.type)
      .jump("equal", 1, S_IFCHR, "device")
      .jump("notEqual", 1, S_IFBLK, "end")
      .label("device");
    this.#beginNote();
    this.#loadArgument(1, at.folder).store(4, buffer, noteLayout.detail, { of: 1 });
    this.#notePath("file.f_path");
  }

  /** Notes the port, or the name of the socket, to which a call connects or binds. */
  noteAddresses(): void {
    this.#findCall("addresses");
    this.#loadArgument(dentry, at.name).jump("equal", dentry, 0, "end");
    this.#beginNote();
    this.#readUser(2, 1, dentry, 0)
      .jump("equal", 1, AF_UNIX, "unix")
      .jump("equal", 1, AF_INET, "internet")
      .jump("notEqual", 1, AF_INET6, "end")
      .label("internet");
    this.#loadArgument(mount, at.folder);
    this.#fileOf(mount, mount);
    this.#field(mount, mount, "file.private_data");
    this.#field(mount, mount, "socket.type", 2).compute("shiftLeft", mount, 16);
    this.#readUser(2, 1, dentry, 2).compute("or", 1, { of: mount });
    this.#program
      .store(4, buffer, noteLayout.detail, { of: 1 })
      .goto("note")
      .label("unix")
      .compute("add", dentry, 2);
    this.#noteError();
    this.#program
      // Binding to a path creates a file.
      .compute("move", 1, noteKinds.connectPath)
      .load(4, 2, buffer, noteLayout.kind)
      .jump("equal", 2, noteKinds.connect, "connects")
      .compute("move", 1, noteKinds.make)
      .label("connects")
      .store(4, buffer, noteLayout.kind, { of: 1 })
      .compute("move", mount, -1);
    this.#noteName(PROBE_READ_USER_STR);
  }

  /** Notes the name of an executed program or script. */
  noteExecutedName(): void {
    this.#beginNote(noteKinds.executeName);
    this.#program.load(8, 1, args, 16);
    this.#field(dentry, 1, "linux_binprm.filename");
    this.#program.compute("move", mount, -1);
    this.#noteName(PROBE_READ_KERNEL_STR);
  }

  /** Notes the path of an executed program. For a script, the program is the script's interpreter. */
  noteExecuted(): void {
    this.#beginNote(noteKinds.executed);
    this.#program.load(8, 1, args, 16);
    this.#field(dentry, 1, "linux_binprm.file");
    this.#notePath("file.f_path");
  }

  /** Notes a capability that the kernel has checked for. */
  noteCapability(): void {
    this.#beginNote(noteKinds.capability);
    this.#program
      .load(8, 1, args, 24)
      .load(8, 2, args, 32)
      .compute("shiftLeft", 2, 32)
      .jump("equal", 2, 0, "granted")
      .compute("or", 1, REFUSED)
      .label("granted")
      .store(4, buffer, noteLayout.detail, { of: 1 });
    this.#note();
  }

  /**
   * Sets the note's detail to the call's result if the result is an error. Otherwise sets the detail to 0,
   * because a successful result, such as a number of bytes, is of no interest.
   */
  #noteError(): void {
    this.#program
      .load(8, 1, args, 8)
      .jump("signedLessOrEqual", 1, -1, "error")
      .compute("move", 1, 0)
      .label("error")
      .store(4, buffer, noteLayout.detail, { of: 1 });
  }

  /** Loads the number of the call into r1. */
  #loadNumber(): Program {
    const [field, size] =
      this.#place.architecture === "x64"
        ? (["pt_regs.orig_ax", 8] as const)
        : (["pt_regs.syscallno", 4] as const);
    this.#program.load(8, dentry, args, 0).store(8, stack, at.registers, { of: dentry });
    return this.#field(1, dentry, field, size);
  }

  /**
   * Ends the program unless the call is in a table. Otherwise r0 points to the call's entry, and the stack
   * holds the entry's words.
   */
  #findCall(table: CallTable): void {
    this.#loadNumber()
      .jump("greater", 1, CALL_NUMBERS - 1, "end")
      .store(4, stack, at.index, { of: 1 });
    this.#lookUp(this.#maps.calls[table], at.index)
      .load(4, 1, 0, 0)
      .jump("equal", 1, 0, "end")
      .store(8, stack, at.kind, { of: 1 })
      .load(4, 1, 0, 4)
      .store(8, stack, at.name, { of: 1 })
      .load(4, 1, 0, 8)
      .store(8, stack, at.folder, { of: 1 });
  }

  /** Loads an argument of the call. The stack holds the offset of the argument's register. */
  #loadArgument(to: Register, place: Place): Program {
    this.#program.load(8, 1, stack, place).load(8, 2, stack, at.registers).compute("add", 1, { of: 2 });
    return this.#read(8, to, 1, 0);
  }

  #argumentOffset(index: number): number {
    return argumentOffset(this.#types, this.#place.architecture, index);
  }

  /**
   * Ends the program for processes of the driver that have not become the task yet. Otherwise begins a note
   * with the cgroup and the kind.
   * @param kind undefined if it is on the stack
   */
  #beginNote(kind?: number): void {
    const { buffers } = this.#maps;
    this.#program
      .compute("move", 1, { of: stack })
      .compute("add", 1, at.comm)
      .compute("move", 2, 16)
      .call(GET_CURRENT_COMM)
      .load(8, 1, stack, at.comm)
      .compute("shiftLeft", 1, 16)
      .constant(2, Buffer.from("\0\0exec2-").readBigInt64LE())
      .jump("equal", 1, { of: 2 }, "end")
      .store(4, stack, at.index, this.#place.index);
    this.#lookUp(buffers, at.index)
      .compute("move", buffer, { of: 0 })
      .load(8, 1, stack, at.cgroup)
      .store(8, buffer, noteLayout.cgroup, { of: 1 });
    if (kind === undefined) this.#program.load(8, 1, stack, at.kind);
    else this.#program.compute("move", 1, kind);
    this.#program
      .store(8, buffer, noteLayout.kind, { of: 1 })
      .store(8, buffer, noteLayout.bytes, 0)
      .store(4, stack, at.index, 0);
    this.#lookUp(buffers, at.index)
      .compute("move", 3, { of: 0 })
      .compute("move", 1, { of: buffer })
      .compute("add", 1, noteLayout.text)
      .compute("move", 2, noteLayout.textBytes)
      .call(PROBE_READ_KERNEL);
  }

  /**
   * Looks up a key that is on the stack. Ends the program if the map lacks it. Otherwise r0 points to the
   * value.
   */
  #lookUp(map: number, place: Place): Program {
    return this.#program
      .constant(1, { map })
      .compute("move", 2, { of: stack })
      .compute("add", 2, place)
      .call(MAP_LOOKUP)
      .jump("equal", 0, 0, "end");
  }

  /** Reads bytes of kernel memory at a pointer, and loads them. */
  #read(size: 2 | 4 | 8, to: Register, pointer: Register, offset: number): Program {
    return this.#readBy(PROBE_READ_KERNEL, size, to, pointer, offset);
  }

  #readUser(size: 2 | 4 | 8, to: Register, pointer: Register, offset: number): Program {
    return this.#readBy(PROBE_READ_USER, size, to, pointer, offset);
  }

  #readBy(helper: number, size: 2 | 4 | 8, to: Register, pointer: Register, offset: number): Program {
    return this.#program
      .compute("move", 3, { of: pointer })
      .compute("add", 3, offset)
      .store(8, stack, at.read, 0)
      .compute("move", 1, { of: stack })
      .compute("add", 1, at.read)
      .compute("move", 2, size)
      .call(helper)
      .load(size, to, stack, at.read);
  }

  #field(to: Register, pointer: Register, path: string, size: 2 | 4 | 8 = 8): Program {
    return this.#read(size, to, pointer, this.#types.offset(path));
  }

  /** Reads a field, and adds those of its bits that are in the mask to the note's detail. */
  #addToDetail(pointer: Register, path: string, mask: number, size: 2 | 4): void {
    this.#field(1, pointer, path, size)
      .compute("and", 1, mask)
      .load(4, 2, buffer, noteLayout.detail)
      .compute("or", 1, { of: 2 })
      .store(4, buffer, noteLayout.detail, { of: 1 });
  }

  /**
   * Loads the `struct file` of a descriptor of this process. Ends the program for an impossible descriptor.
   */
  #fileOf(to: typeof dentry | typeof mount, descriptor: typeof mount): void {
    this.#program
      .compute("shiftLeft", descriptor, 32)
      .compute("shiftRight", descriptor, 32)
      .jump("greater", descriptor, 2 ** 20, "end")
      .call(GET_CURRENT_TASK)
      .compute("move", 1, { of: 0 });
    this.#field(1, 1, "task_struct.files");
    this.#field(1, 1, "files_struct.fdt");
    this.#field(1, 1, "fdtable.fd").compute("shiftLeft", descriptor, 3).compute("add", 1, { of: descriptor });
    this.#read(8, to, 1, 0).jump("equal", to, 0, "end");
  }

  /** Notes the path of a `struct path` that is a field of the struct to which `dentry` points. */
  #notePath(field: string): void {
    this.#field(mount, dentry, `${field}.mnt`);
    this.#field(dentry, dentry, `${field}.dentry`);
    this.#appendPath();
    this.#note();
  }

  /**
   * Notes the name to which `dentry` points. A relative name begins in the folder whose descriptor is in
   * `mount`, or in the working directory if `mount` holds no descriptor.
   */
  #noteName(reader: typeof PROBE_READ_USER_STR | typeof PROBE_READ_KERNEL_STR): void {
    this.#program
      .compute("move", 3, { of: dentry })
      .compute("move", 1, { of: buffer })
      .compute("add", 1, noteLayout.text)
      .compute("move", 2, maxTextBytes)
      .call(reader)
      .jump("signedLessOrEqual", 0, -1, "lost")
      .jump("signedLessOrEqual", 0, 1, "end")
      // The name is longer than the buffer.
      .jump("signedGreaterOrEqual", 0, maxTextBytes, "lost")
      .store(8, buffer, noteLayout.bytes, { of: 0 })
      .load(1, 1, buffer, noteLayout.text)
      .jump("equal", 1, "/".charCodeAt(0), "note")
      .compute("shiftLeft", mount, 32)
      .compute("shiftRight", mount, 32)
      .jump("greater", mount, 2 ** 20, "here");
    this.#fileOf(dentry, mount);
    this.#field(mount, dentry, "file.f_path.mnt");
    this.#field(dentry, dentry, "file.f_path.dentry").goto("folder").label("here");
    this.#program.call(GET_CURRENT_TASK).compute("move", 1, { of: 0 });
    this.#field(dentry, 1, "task_struct.fs");
    this.#field(mount, dentry, "fs_struct.pwd.mnt");
    this.#field(dentry, dentry, "fs_struct.pwd.dentry").label("folder");
    this.#appendPath();
    this.#note();
  }

  /** Appends the names of a path: begins with the last name, and goes up to the root of the task's mounts. */
  #appendPath(): void {
    const offset = (path: string) => this.#types.offset(path);
    this.#program.compute("add", mount, -offset("mount.mnt")).compute("move", count, 0).label("next");
    this.#read(8, 1, mount, offset("mount.mnt") + offset("vfsmount.mnt_root")).jump(
      "notEqual",
      1,
      { of: dentry },
      "name",
    );
    this.#read(8, 1, mount, offset("mount.mnt_parent"))
      .jump("equal", 1, { of: mount }, "root")
      .store(8, stack, at.word, { of: 1 });
    this.#read(8, dentry, mount, offset("mount.mnt_mountpoint"))
      .load(8, mount, stack, at.word)
      .goto("up")
      .label("name");
    this.#read(8, 3, dentry, offset("dentry.d_name.name"))
      .load(8, 1, buffer, noteLayout.bytes)
      .jump("greater", 1, maxTextBytes, "lost")
      .compute("add", 1, { of: buffer })
      .compute("add", 1, noteLayout.text)
      .compute("move", 2, 256)
      .call(PROBE_READ_KERNEL_STR)
      .jump("signedLessOrEqual", 0, 0, "lost")
      .load(8, 1, buffer, noteLayout.bytes)
      .compute("add", 1, { of: 0 })
      .store(8, buffer, noteLayout.bytes, { of: 1 });
    this.#read(8, 1, dentry, offset("dentry.d_parent"))
      .jump("equal", 1, { of: dentry }, "end")
      .compute("move", dentry, { of: 1 })
      .label("up")
      .compute("add", count, 1)
      .jump("less", count, maxPathDepth, "next")
      .goto("lost")
      .label("root");
    // The mounts of pipes, memfds and the like are in no namespace: their `mnt_ns` is NULL or an error
    // number.
    this.#read(8, 1, mount, offset("mount.mnt_ns")).jump("signedGreaterOrEqual", 1, -4096, "end");
  }

  /** Adds the note to the map, and ends the program. */
  #note(): void {
    const { notes, lost } = this.#maps;
    this.#program
      .label("note")
      .store(8, stack, at.word, 1)
      .constant(1, { map: notes })
      .compute("move", 2, { of: buffer })
      .compute("move", 3, { of: stack })
      .compute("add", 3, at.word)
      .compute("move", 4, BPF_NOEXIST)
      .call(MAP_UPDATE)
      .jump("equal", 0, 0, "end")
      .jump("equal", 0, -EEXIST, "end")
      .label("lost")
      .store(4, stack, at.index, 0);
    this.#lookUp(lost, at.index).compute("move", 1, 1).increase(0, 0, 1).label("end");
    this.#program.compute("move", 0, 0).exit();
  }
}

/** All programs. */
export const probes: readonly Probe[] = [
  { tracepoint: "sys_exit", body: (probe) => probe.noteNames("names") },
  { tracepoint: "sys_exit", body: (probe) => probe.noteNames("secondNames") },
  { tracepoint: "sys_exit", body: (probe) => probe.noteOpened() },
  { tracepoint: "sys_exit", body: (probe) => probe.noteAddresses() },
  { tracepoint: "sys_exit", body: (probe) => probe.noteControl() },
  { tracepoint: "sched_process_exec", body: (probe) => probe.noteExecutedName() },
  { tracepoint: "sched_process_exec", body: (probe) => probe.noteExecuted() },
  { tracepoint: "cap_capable", optional: true, body: (probe) => probe.noteCapability() },
];
