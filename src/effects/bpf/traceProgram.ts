/**
 * What the BPF programs at tracepoints have in common: finding a system call's arguments, reading memory of the
 * kernel and of processes, and writing names and paths into a buffer.
 *
 * The methods jump to labels that a program has to define. `end`: there is nothing to note. `lost`: a name is
 * too long, or cannot be read. `note`: the name is complete. Pure.
 */
import type { Architecture } from "../kernel/systemCalls.ts";
import type { KernelTypes } from "./btf.ts";
import { argumentOffset, CALL_NUMBERS } from "./calls.ts";
import { Program, type Register } from "./program.ts";

/** Helpers of `linux/bpf.h`. */
export const helpers = {
  mapLookUp: 1,
  mapUpdate: 2,
  nanoseconds: 5,
  tailCall: 12,
  currentPid: 14,
  currentUid: 15,
  currentComm: 16,
  packetBytes: 26,
  currentTask: 35,
  currentCgroupId: 80,
  localStorage: 81,
  readUser: 112,
  readKernel: 113,
  readUserText: 114,
  readKernelText: 115,
  ancestorCgroupId: 123,
  ringOutput: 130,
  ringReserve: 131,
  ringSubmit: 132,
  ringDiscard: 133,
  currentTaskOfType: 158,
  registersOf: 175,
  findMapping: 180,
} as const;

/** Registers with a fixed meaning in all programs. */
export const buffer: Register = 6;
export const dentry: Register = 7;
export const mount: Register = 8;
/** The tracepoint's arguments, and later the number of names so far. */
export const args: Register = 9;
const count: Register = 9;
export const stack: Register = 10;

/** Places on the stack, as offsets from the register `stack`. */
export const at = {
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

export type Place = (typeof at)[keyof typeof at];

/** Where a program's buffer has the name: its offset and size, and the offset of its length so far. */
export interface TextLayout {
  readonly text: number;
  readonly textBytes: number;
  readonly length: number;
  /** Maximum number of folders in a path. */
  readonly maxDepth: number;
}

/** `NAME_MAX` of `linux/limits.h`, and a NUL. */
const NAME_BYTES = 256;

export class TraceProgram {
  protected readonly program = new Program();
  protected readonly types: KernelTypes;
  protected readonly architecture: Architecture;
  protected readonly layout: TextLayout;
  /** Longer names are lost. */
  readonly #maxTextBytes: number;

  constructor(types: KernelTypes, architecture: Architecture, layout: TextLayout) {
    this.types = types;
    this.architecture = architecture;
    this.layout = layout;
    this.#maxTextBytes = layout.textBytes - NAME_BYTES;
    this.program.compute("move", args, { of: 1 });
  }

  bytes(): Uint8Array {
    return this.program.bytes();
  }

  /** As {@link Program.position}. */
  position(label: string): number {
    return this.program.position(label);
  }

  /** Ends the program for processes of the driver, which have not become the task yet. */
  protected skipDriver(): Program {
    return this.program
      .compute("move", 1, { of: stack })
      .compute("add", 1, at.comm)
      .compute("move", 2, 16)
      .call(helpers.currentComm)
      .load(8, 1, stack, at.comm)
      .compute("shiftLeft", 1, 16)
      .constant(2, Buffer.from("\0\0exec2-").readBigInt64LE())
      .jump("equal", 1, { of: 2 }, "end");
  }

  /**
   * Ends the program unless the process is in a watched cgroup, or below one. Otherwise r0 points to the cgroup's
   * value, and the stack has the cgroup's id.
   * @param watched a map by ids of cgroups
   * @param level a map with the depth of the watched cgroups below the root cgroup
   */
  protected findWatched(watched: number, level: number): Program {
    this.program
      .call(helpers.currentCgroupId)
      .store(8, stack, at.cgroup, { of: 0 })
      .constant(1, { map: watched })
      .compute("move", 2, { of: stack })
      .compute("add", 2, at.cgroup)
      .call(helpers.mapLookUp)
      .jump("notEqual", 0, 0, "watched")
      .store(4, stack, at.index, 0);
    this.lookUp(level, at.index)
      .load(4, 1, 0, 0)
      .call(helpers.ancestorCgroupId)
      .store(8, stack, at.cgroup, { of: 0 });
    return this.lookUp(watched, at.cgroup).label("watched");
  }

  /**
   * Sets `buffer` to one of the buffers of this processor, and clears the buffer's text. Ends the program if
   * there is no such buffer.
   * @param buffers a map whose first value holds only zeros
   * @param index of the program's buffer, from 1 on
   */
  protected takeBuffer(buffers: number, index: number): Program {
    this.program.store(4, stack, at.index, index);
    this.lookUp(buffers, at.index)
      .compute("move", buffer, { of: 0 })
      .store(8, buffer, this.layout.length, 0)
      .store(4, stack, at.index, 0);
    return this.lookUp(buffers, at.index)
      .compute("move", 3, { of: 0 })
      .compute("move", 1, { of: buffer })
      .compute("add", 1, this.layout.text)
      .compute("move", 2, this.layout.textBytes)
      .call(helpers.readKernel);
  }

  /** Loads the number of the call into r1. */
  protected loadNumber(): Program {
    const [field, size] =
      this.architecture === "x64" ? (["pt_regs.orig_ax", 8] as const) : (["pt_regs.syscallno", 4] as const);
    this.program.load(8, dentry, args, 0).store(8, stack, at.registers, { of: dentry });
    return this.field(1, dentry, field, size);
  }

  /**
   * Ends the program unless the call is in a table, an array whose index is the call's number. Otherwise r0
   * points to the call's entry. The stack holds the entry's first three words: a kind, which is not 0, and the
   * offsets of two registers.
   */
  protected findCall(table: number): void {
    this.loadNumber()
      .jump("greater", 1, CALL_NUMBERS - 1, "end")
      .store(4, stack, at.index, { of: 1 });
    this.lookUp(table, at.index)
      .load(4, 1, 0, 0)
      .jump("equal", 1, 0, "end")
      .store(8, stack, at.kind, { of: 1 })
      .load(4, 1, 0, 4)
      .store(8, stack, at.name, { of: 1 })
      .load(4, 1, 0, 8)
      .store(8, stack, at.folder, { of: 1 });
  }

  /** Loads an argument of the call. The stack holds the offset of the argument's register. */
  protected loadArgument(to: Register, place: Place): Program {
    this.program.load(8, 1, stack, place).load(8, 2, stack, at.registers).compute("add", 1, { of: 2 });
    return this.read(8, to, 1, 0);
  }

  protected argumentOffset(index: number): number {
    return argumentOffset(this.types, this.architecture, index);
  }

  /**
   * Looks up a key that is on the stack. Ends the program if the map lacks it. Otherwise r0 points to the
   * value.
   */
  protected lookUp(map: number, place: Place): Program {
    return this.program
      .constant(1, { map })
      .compute("move", 2, { of: stack })
      .compute("add", 2, place)
      .call(helpers.mapLookUp)
      .jump("equal", 0, 0, "end");
  }

  /** Reads bytes of kernel memory at a pointer, and loads them. */
  protected read(size: 2 | 4 | 8, to: Register, pointer: Register, offset: number): Program {
    return this.readBy(helpers.readKernel, size, to, pointer, offset);
  }

  protected readUser(size: 2 | 4 | 8, to: Register, pointer: Register, offset: number): Program {
    return this.readBy(helpers.readUser, size, to, pointer, offset);
  }

  private readBy(helper: number, size: 2 | 4 | 8, to: Register, pointer: Register, offset: number): Program {
    return this.program
      .compute("move", 3, { of: pointer })
      .compute("add", 3, offset)
      .store(8, stack, at.read, 0)
      .compute("move", 1, { of: stack })
      .compute("add", 1, at.read)
      .compute("move", 2, size)
      .call(helper)
      .load(size, to, stack, at.read);
  }

  protected field(to: Register, pointer: Register, path: string, size: 2 | 4 | 8 = 8): Program {
    return this.read(size, to, pointer, this.types.offset(path));
  }

  /**
   * Loads the `struct file` of a descriptor of this process. Ends the program for an impossible descriptor.
   */
  protected fileOf(to: typeof dentry | typeof mount, descriptor: typeof mount): void {
    this.program
      .compute("shiftLeft", descriptor, 32)
      .compute("shiftRight", descriptor, 32)
      .jump("greater", descriptor, 2 ** 20, "end")
      .call(helpers.currentTask)
      .compute("move", 1, { of: 0 });
    this.field(1, 1, "task_struct.files");
    this.field(1, 1, "files_struct.fdt");
    this.field(1, 1, "fdtable.fd").compute("shiftLeft", descriptor, 3).compute("add", 1, { of: descriptor });
    this.read(8, to, 1, 0).jump("equal", to, 0, "end");
  }

  /**
   * Appends the name to which `dentry` points, as its process wrote it, and ends at the label `note`, which
   * has to follow. To a relative name, appends the path of the folder in which it begins: the folder whose
   * descriptor is in `mount`, or the working directory if `mount` holds no descriptor.
   */
  protected appendName(reader: number): void {
    this.program
      .compute("move", 3, { of: dentry })
      .compute("move", 1, { of: buffer })
      .compute("add", 1, this.layout.text)
      .compute("move", 2, this.#maxTextBytes)
      .call(reader)
      .jump("signedLessOrEqual", 0, -1, "lost")
      .jump("signedLessOrEqual", 0, 1, "end")
      // The name is longer than the buffer.
      .jump("signedGreaterOrEqual", 0, this.#maxTextBytes, "lost")
      .store(8, buffer, this.layout.length, { of: 0 })
      .load(1, 1, buffer, this.layout.text)
      .jump("equal", 1, "/".charCodeAt(0), "note")
      .compute("shiftLeft", mount, 32)
      .compute("shiftRight", mount, 32)
      .jump("greater", mount, 2 ** 20, "here");
    this.fileOf(dentry, mount);
    this.field(mount, dentry, "file.f_path.mnt");
    this.field(dentry, dentry, "file.f_path.dentry").goto("folder").label("here");
    this.program.call(helpers.currentTask).compute("move", 1, { of: 0 });
    this.field(dentry, 1, "task_struct.fs");
    this.field(mount, dentry, "fs_struct.pwd.mnt");
    this.field(dentry, dentry, "fs_struct.pwd.dentry").label("folder");
    this.appendPath();
  }

  /**
   * Appends the names of a path: begins with the last name, and goes up to the root of the task's mounts.
   * @param nowhere label for a file that has no path, such as a memfd
   */
  protected appendPath(nowhere = "end"): void {
    const offset = (path: string) => this.types.offset(path);
    this.program.compute("add", mount, -offset("mount.mnt")).compute("move", count, 0).label("next");
    this.read(8, 1, mount, offset("mount.mnt") + offset("vfsmount.mnt_root")).jump(
      "notEqual",
      1,
      { of: dentry },
      "name",
    );
    this.read(8, 1, mount, offset("mount.mnt_parent"))
      .jump("equal", 1, { of: mount }, "root")
      .store(8, stack, at.word, { of: 1 });
    this.read(8, dentry, mount, offset("mount.mnt_mountpoint"))
      .load(8, mount, stack, at.word)
      .goto("up")
      .label("name");
    this.read(8, 3, dentry, offset("dentry.d_name.name"))
      .load(8, 1, buffer, this.layout.length)
      .jump("greater", 1, this.#maxTextBytes, "lost")
      .compute("add", 1, { of: buffer })
      .compute("add", 1, this.layout.text)
      .compute("move", 2, 256)
      .call(helpers.readKernelText)
      .jump("signedLessOrEqual", 0, 0, "lost")
      .load(8, 1, buffer, this.layout.length)
      .compute("add", 1, { of: 0 })
      .store(8, buffer, this.layout.length, { of: 1 });
    this.read(8, 1, dentry, offset("dentry.d_parent"))
      .jump("equal", 1, { of: dentry }, nowhere)
      .compute("move", dentry, { of: 1 })
      .label("up")
      .compute("add", count, 1)
      .jump("less", count, this.layout.maxDepth, "next")
      .goto("lost")
      .label("root");
    // The mounts of pipes, memfds and the like are in no namespace: their `mnt_ns` is NULL or an error
    // number.
    this.read(8, 1, mount, offset("mount.mnt_ns")).jump("signedGreaterOrEqual", 1, -4096, nowhere);
  }
}
