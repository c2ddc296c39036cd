/**
 * What the BPF programs that record what watched tasks use have in common. They run mostly at the end of system
 * calls, and record names as the task passes them, and the path of a file whose descriptor a call returns. They
 * run at tracepoints, because every kernel with tracing has these. Functions inside the kernel may be missing, or
 * closed to BPF programs.
 *
 * Each record is called a note: see notes.ts. Which tasks are watched, and where the notes go, a subclass says.
 * Pure.
 */

import type { KernelTypes } from "../bpf/btf.ts";
import type { Program, Register } from "../bpf/program.ts";
import { args, at, buffer, dentry, helpers, mount, stack, TraceProgram } from "../bpf/traceProgram.ts";
import { AF_INET, AF_INET6, AF_UNIX } from "../kernel/constants.ts";
import { type Architecture, systemCallNumber } from "../kernel/systemCalls.ts";
import { addressLayout, noteKinds, noteLayout, openBits, REFUSED } from "./notes.ts";
import type { CallTable } from "./watchedCalls.ts";

/** Descriptors of the maps that all programs use. */
export interface UseMaps {
  /** On each processor, one buffer per program for its note. The first buffer holds only zeros. */
  readonly buffers: number;
  /** The tables of {@link callTables}, by name. */
  readonly calls: Readonly<Record<CallTable, number>>;
}

const EFAULT = 14;
const S_IFCHR = 0o020000;
const S_IFBLK = 0o060000;

export interface UsePlace {
  /** Index of the program's buffer, from 1 on. */
  readonly index: number;
  readonly architecture: Architecture;
  /** Bytes for a note's text. */
  readonly textBytes: number;
}

/** Size of a buffer: a note, and then the length of the note's text. */
export function bufferBytes(textBytes: number): number {
  return noteLayout.text + textBytes + 8;
}

export abstract class UseProgram<Maps extends UseMaps = UseMaps> extends TraceProgram {
  protected readonly maps: Maps;
  readonly #index: number;

  constructor(types: KernelTypes, maps: Maps, { index, architecture, textBytes }: UsePlace) {
    const { text } = noteLayout;
    super(types, architecture, { text, textBytes, length: text + textBytes, maxDepth: 100 });
    this.maps = maps;
    this.#index = index;
  }

  /**
   * Writes the note, and ends the program. Has the labels `lost`, where the program goes on if there is something to
   * note, but not all of it can be, and `end`.
   */
  protected abstract write(): Program;

  /** Notes the names in the arguments of a table's calls. */
  noteNames(table: CallTable): void {
    this.findCall(this.maps.calls[table]);
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
    this.findCall(this.maps.calls.opened);
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
    this.findCall(this.maps.calls.addresses);
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
    this.#end();
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
    this.takeBuffer(this.maps.buffers, this.#index)
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
    this.#end();
  }

  #noteName(reader: number): void {
    this.appendName(reader);
    this.#end();
  }

  #end(): void {
    this.program.label("note");
    this.write();
  }
}
