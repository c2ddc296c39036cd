/**
 * BPF programs that record what watched tasks use, mostly at the end of system calls. They record names as
 * the task passes them, and the path of a file whose descriptor a call returns. They run at tracepoints,
 * because every kernel with tracing has these. Functions inside the kernel may be missing, or closed to BPF
 * programs.
 *
 * Each record is called a note. A note is a key of a map, so repetitions cost no memory: see
 * {@link noteLayout}. Pure.
 */

import type { KernelTypes } from "../../effects/bpf/btf.ts";
import type { Register } from "../../effects/bpf/program.ts";
import {
  args,
  at,
  buffer,
  dentry,
  helpers,
  mount,
  stack,
  TraceProgram,
} from "../../effects/bpf/traceProgram.ts";
import { AF_INET, AF_INET6, AF_UNIX } from "../../effects/kernel/constants.ts";
import { type Architecture, systemCallNumber } from "../../effects/kernel/systemCalls.ts";
import { addressLayout, noteKinds, noteLayout, openBits, REFUSED } from "./notes.ts";
import type { CallTable } from "./watchedCalls.ts";

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

const BPF_NOEXIST = 1;
const EFAULT = 14;
const EEXIST = 17;
const S_IFCHR = 0o020000;
const S_IFBLK = 0o060000;

export interface ProbePlace {
  /** Index of the program's buffer, from 1 on. */
  readonly index: number;
  /** Depth of the watched cgroups below the root cgroup. */
  readonly level: number;
  readonly architecture: Architecture;
}

const layout = {
  text: noteLayout.text,
  textBytes: noteLayout.textBytes,
  length: noteLayout.bytes,
  maxDepth: 100,
} as const;

export class ProbeProgram extends TraceProgram {
  readonly #maps: ProbeMaps;
  readonly #index: number;

  constructor(types: KernelTypes, maps: ProbeMaps, { index, level, architecture }: ProbePlace) {
    super(types, architecture, layout);
    this.#maps = maps;
    this.#index = index;
    this.program
      .compute("move", 1, level)
      .call(helpers.ancestorCgroupId)
      .store(8, stack, at.cgroup, { of: 0 });
    this.lookUp(maps.watched, at.cgroup);
  }

  /** Notes the names in the arguments of a table's calls. */
  noteNames(table: CallTable): void {
    this.findCall(this.#maps.calls[table]);
    this.program
      .load(8, 2, args, 8)
      .jump("equal", 2, -EFAULT, "end")
      .load(4, 1, 0, 12)
      .jump("equal", 1, 0, "any result")
      .jump("signedGreaterOrEqual", 2, 0, "end")
      .label("any result");
    this.#beginNote();
    this.#noteError();
    this.loadArgument(dentry, at.name);
    this.program
      .jump("equal", dentry, 0, "end")
      .compute("move", mount, -1)
      .load(8, 1, stack, at.folder)
      .jump("equal", 1, 0, "in no folder");
    this.loadArgument(mount, at.folder);
    this.program.label("in no folder");
    this.#noteName(helpers.readUserText);
  }

  /** Notes the path of the file whose descriptor a call has returned. */
  noteOpened(): void {
    this.findCall(this.#maps.calls.opened);
    this.program.load(8, mount, args, 8).jump("signedLessOrEqual", mount, -1, "end");
    this.#beginNote();
    this.fileOf(dentry, mount);
    this.#addToDetail(dentry, "file.f_flags", openBits.truncate, 4);
    this.#addToDetail(dentry, "file.f_mode", openBits.read | openBits.write | openBits.created, 4);
    this.field(mount, dentry, "file.f_inode");
    this.#addToDetail(mount, "inode.i_mode", openBits.type, 2);
    this.#notePath("file.f_path");
  }

  /** Notes the device on which ioctl(2) was called. */
  noteControl(): void {
    const ioctl = systemCallNumber("ioctl", this.architecture);
    this.loadNumber().jump("notEqual", 1, ioctl, "end");
    this.program
      .store(8, stack, at.kind, noteKinds.control)
      .store(8, stack, at.name, this.argumentOffset(0))
      .store(8, stack, at.folder, this.argumentOffset(1));
    this.loadArgument(mount, at.name);
    this.fileOf(dentry, mount);
    this.field(1, dentry, "file.f_inode");
    this.field(1, 1, "inode.i_mode", 2)
      .compute("and", 1, openBits.type)
      .jump("equal", 1, S_IFCHR, "device")
      .jump("notEqual", 1, S_IFBLK, "end")
      .label("device");
    this.#beginNote();
    this.loadArgument(1, at.folder).store(4, buffer, noteLayout.detail, { of: 1 });
    this.#notePath("file.f_path");
  }

  /** Notes the port, or the name of the socket, to which a call connects or binds. */
  noteAddresses(): void {
    this.findCall(this.#maps.calls.addresses);
    this.program.load(4, 1, 0, 12).store(8, stack, at.word, { of: 1 });
    this.loadArgument(dentry, at.name)
      .jump("equal", dentry, 0, "end")
      .load(8, 1, stack, at.word)
      .jump("equal", 1, 0, "at address");
    // The first field of a message is its address: sendmsg(2).
    this.readUser(8, dentry, dentry, 0).jump("equal", dentry, 0, "end").label("at address");
    this.#beginNote();
    this.readUser(2, 1, dentry, 0)
      .jump("equal", 1, AF_UNIX, "unix")
      .store(4, buffer, addressLayout.family, { of: 1 })
      .jump("equal", 1, AF_INET, "four")
      .jump("notEqual", 1, AF_INET6, "end");
    this.readUser(8, 1, dentry, 8).store(8, buffer, addressLayout.address, { of: 1 });
    this.readUser(8, 1, dentry, 16)
      .store(8, buffer, addressLayout.address + 8, { of: 1 })
      .goto("internet")
      .label("four");
    this.readUser(4, 1, dentry, 4).store(4, buffer, addressLayout.address, { of: 1 }).label("internet");
    this.loadArgument(mount, at.folder);
    this.fileOf(mount, mount);
    this.field(mount, mount, "file.private_data");
    this.field(mount, mount, "socket.type", 2).compute("shiftLeft", mount, 16);
    this.readUser(2, 1, dentry, 2).compute("or", 1, { of: mount });
    this.program
      .store(4, buffer, noteLayout.detail, { of: 1 })
      .goto("note")
      .label("unix")
      .compute("add", dentry, 2);
    this.#noteError();
    this.program
      // Binding to a path creates a file.
      .compute("move", 1, noteKinds.connectPath)
      .load(4, 2, buffer, noteLayout.kind)
      .jump("equal", 2, noteKinds.connect, "connects")
      .compute("move", 1, noteKinds.make)
      .label("connects")
      .store(4, buffer, noteLayout.kind, { of: 1 })
      .compute("move", mount, -1);
    this.#noteName(helpers.readUserText);
  }

  /** Notes the name of an executed program or script. */
  noteExecutedName(): void {
    this.#beginNote(noteKinds.executeName);
    this.program.load(8, 1, args, 16);
    this.field(dentry, 1, "linux_binprm.filename");
    this.program.compute("move", mount, -1);
    this.#noteName(helpers.readKernelText);
  }

  /** Notes the path of an executed program. For a script, the program is the script's interpreter. */
  noteExecuted(): void {
    this.#beginNote(noteKinds.executed);
    this.program.load(8, 1, args, 16);
    this.field(dentry, 1, "linux_binprm.file");
    this.#notePath("file.f_path");
  }

  /** Notes a capability that the kernel has checked for. */
  noteCapability(): void {
    this.#beginNote(noteKinds.capability);
    this.program
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
    this.program
      .load(8, 1, args, 8)
      .jump("signedLessOrEqual", 1, -1, "error")
      .compute("move", 1, 0)
      .label("error")
      .store(4, buffer, noteLayout.detail, { of: 1 });
  }

  /**
   * Ends the program for processes of the driver that have not become the task yet. Otherwise begins a note
   * with the cgroup and the kind.
   * @param kind undefined if it is on the stack
   */
  #beginNote(kind?: number): void {
    this.skipDriver();
    this.takeBuffer(this.#maps.buffers, this.#index)
      .load(8, 1, stack, at.cgroup)
      .store(8, buffer, noteLayout.cgroup, { of: 1 });
    if (kind === undefined) this.program.load(8, 1, stack, at.kind);
    else this.program.compute("move", 1, kind);
    this.program.store(8, buffer, noteLayout.kind, { of: 1 });
  }

  /** Reads a field, and adds those of its bits that are in the mask to the note's detail. */
  #addToDetail(pointer: Register, path: string, mask: number, size: 2 | 4): void {
    this.field(1, pointer, path, size)
      .compute("and", 1, mask)
      .load(4, 2, buffer, noteLayout.detail)
      .compute("or", 1, { of: 2 })
      .store(4, buffer, noteLayout.detail, { of: 1 });
  }

  /** Notes the path of a `struct path` that is a field of the struct to which `dentry` points. */
  #notePath(field: string): void {
    this.field(mount, dentry, `${field}.mnt`);
    this.field(dentry, dentry, `${field}.dentry`);
    this.appendPath();
    this.#note();
  }

  #noteName(reader: number): void {
    this.appendName(reader);
    this.#note();
  }

  /** Adds the note to the map, and ends the program. */
  #note(): void {
    const { notes, lost } = this.#maps;
    this.program
      .label("note")
      .store(8, stack, at.word, 1)
      .constant(1, { map: notes })
      .compute("move", 2, { of: buffer })
      .compute("move", 3, { of: stack })
      .compute("add", 3, at.word)
      .compute("move", 4, BPF_NOEXIST)
      .call(helpers.mapUpdate)
      .jump("equal", 0, 0, "end")
      .jump("equal", 0, -EEXIST, "end")
      .label("lost")
      .store(4, stack, at.index, 0);
    this.lookUp(lost, at.index).compute("move", 1, 1).increase(0, 0, 1).label("end");
    this.program.compute("move", 0, 0).exit();
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
