/**
 * The BPF programs of the black box. They note the failed system calls of the watched runs, the signals that are sent
 * to them, their crashes, and which threads end their processes. They run for every process of the host, so what they
 * do first is to leave: a call that did not fail costs four instructions.
 *
 * A run has two rings of slots for failed calls, so that the last ones stay: one for what was not found, since programs
 * look for much that is nowhere, and one for all other failures. A repeated failure goes into its earlier slot, so that
 * a program that tries again and again does not push out the others. Pure.
 */
import type { KernelTypes } from "../bpf/btf.ts";
import { addressCalls, argumentOffset, CALL_NUMBERS, namingCalls, tableOf } from "../bpf/calls.ts";
import { args, at, buffer, dentry, helpers, mount, stack, TraceProgram } from "../bpf/traceProgram.ts";
import { delegatedBounds } from "../cgroup/delegatedCgroups.ts";
import { AF_INET, AF_INET6, AF_UNIX } from "../kernel/constants.ts";
import { type Architecture, systemCallNames, systemCallNumber } from "../kernel/systemCalls.ts";
import { noteKinds, noteLayout, SI_KERNEL, signalLayout } from "./notes.ts";

/** Size of a buffer: a note, and then the length of the note's text. */
export const BUFFER_BYTES = noteLayout.bytes + 8;

/** Slots of a run for failed calls, half of them for what was not found; and then for signals. */
const CALL_SLOTS = 64;
const RING_SLOTS = CALL_SLOTS / 2;
const SIGNAL_SLOTS = 32;
/** The slot of the last crash. */
const CRASH_SLOT = CALL_SLOTS + SIGNAL_SLOTS;
/** The slots of the last ends of processes: that of the run's main process, and of those whose code it may pass on. */
const END_SLOTS = 8;
const FIRST_END_SLOT = CRASH_SLOT + 1;
export const SLOTS = FIRST_END_SLOT + END_SLOTS;

/** Descriptors of the maps that the programs use. */
export interface BoxMaps {
  /** For the id of a run's cgroup, what the programs know of the run: {@link runLayout}. */
  readonly watched: number;
  /** Depth of the runs' cgroups below the root cgroup: a run may be in a cgroup below its own. */
  readonly level: number;
  /** The notes, by the index of the run's slots and the slot. */
  readonly notes: number;
  /** On each processor, a buffer of zeros, and then one for each program. */
  readonly buffers: number;
  /** The table of {@link callTable}. */
  readonly calls: number;
  /** The bits of an offset in a page. No map, but a number of the host. */
  readonly pageShift: number;
}

/** Offsets in the value of a run, and its size. */
export const runLayout = {
  /** Index of the run's slots, and the run's number: words of 4 bytes. */
  index: 0,
  /** Number of its calls that have got a new slot: of those that found nothing, and of the others. */
  absent: 8,
  count: 16,
  /** Number of its processes that have ended by themselves. */
  ends: 24,
  /** For each value of 8 bits of a hash, the last slot of a call with such a hash. */
  slots: 32,
  bytes: 32 + 256,
} as const;

/** Places on the stack. The base class has the others. */
const own = { run: -88, key: -96, number: -104, value: -112, mapping: -136, part: -144 } as const;

const layout = {
  text: noteLayout.text,
  textBytes: noteLayout.textBytes,
  length: noteLayout.bytes,
  // A deeper path is too long for the text, too.
  maxDepth: 32,
} as const;

/** Bytes of an entry: a kind, the offsets of two registers, 4 bytes without a meaning, and two masks. */
export const CALL_BYTES = 32;

/**
 * What is noted of each call, by its number: the kind of the note, the offsets of the registers with the name
 * and its folder, or with the address; and the errnos that are noted.
 */
export function callTable(types: KernelTypes, architecture: Architecture): ReadonlyMap<number, Uint32Array> {
  const argument = (index: number) => argumentOffset(types, architecture, index);
  const plain = Object.fromEntries(systemCallNames.map((name) => [name, name]));
  return new Map([
    ...tableOf(plain, architecture, () => [noteKinds.plain, 0, 0, 0, ...masksOf(plainErrnos)]),
    // A limit on processes answers so, and nobody tries again at once.
    ...tableOf(startingCalls, architecture, () => [
      ...[noteKinds.plain, 0, 0, 0],
      ...masksOf([...plainErrnos, errno.EAGAIN]),
    ]),
    ...tableOf(namingCalls[0], architecture, ({ name, folder }) => [
      noteKinds.name,
      argument(name),
      folder === undefined ? 0 : argument(folder),
      0,
      ...masksOf(allBut(ofNames)),
    ]),
    ...tableOf(addressCalls, architecture, ({ address }) => [
      noteKinds.address,
      argument(address),
      0,
      0,
      ...masksOf(allBut(ofAddresses)),
    ]),
  ]);
}

const startingCalls = { clone: "clone", clone3: "clone3", fork: "fork", vfork: "vfork" } as const;

const errno = {
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  EIO: 5,
  ENOEXEC: 8,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EFAULT: 14,
  EBUSY: 16,
  EEXIST: 17,
  ENODEV: 19,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  EFBIG: 27,
  ENOSPC: 28,
  EROFS: 30,
  EPIPE: 32,
  ENOSYS: 38,
  ENODATA: 61,
  EOPNOTSUPP: 95,
  EADDRINUSE: 98,
  ENETUNREACH: 101,
  ECONNABORTED: 103,
  ECONNRESET: 104,
  ENOBUFS: 105,
  ECONNREFUSED: 111,
  EHOSTUNREACH: 113,
  EALREADY: 114,
  EINPROGRESS: 115,
  EDQUOT: 122,
} as const;

/** Greater than every errno that a task can get. */
const ERRNOS = 128;

/** What a call without a name or an address fails with if something is wrong, and not merely over or empty. */
const plainErrnos: readonly number[] = [
  ...[errno.EPERM, errno.EIO, errno.ENOEXEC, errno.ENOMEM, errno.EACCES, errno.EBUSY, errno.ENODEV],
  ...[errno.ENFILE, errno.EMFILE, errno.EFBIG, errno.ENOSPC, errno.EROFS, errno.EPIPE, errno.ENOSYS],
  ...[errno.EADDRINUSE, errno.ENETUNREACH, errno.ECONNABORTED, errno.ECONNRESET, errno.ENOBUFS],
  ...[errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.EDQUOT],
];

/**
 * Programs ask with such a call whether a file is a symlink (EINVAL of readlink(2)), is there already (EEXIST
 * of mkdir(2)), or has an attribute.
 */
const ofNames = [errno.EINVAL, errno.EEXIST, errno.ENODATA, errno.EOPNOTSUPP];

/** A connection that is being made. */
const ofAddresses = [errno.EINPROGRESS, errno.EALREADY];

/** All errnos but some, and those after which a program tries again. */
function allBut(ignored: readonly number[]): number[] {
  const no: readonly number[] = [...ignored, errno.EINTR, errno.EAGAIN, errno.EFAULT];
  return Array.from({ length: ERRNOS }, (_, index) => index).filter((each) => each > 0 && !no.includes(each));
}

/** A mask of 128 bits, as words. */
function masksOf(errnos: readonly number[]): number[] {
  const words = [0, 0, 0, 0];
  for (const each of errnos) words[each >>> 5] = ((words[each >>> 5] ?? 0) | (1 << (each & 31))) >>> 0;
  return words;
}

/** Signals that end or stop a process; the others are no cause of an end. */
const notedSignals = [1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 15, 16, 19, 20, 24, 25, 26, 27, 30, 31];

/** `TRACE_SIGNAL_IGNORED` of the kernel's `trace/events/signal.h`. */
const IGNORED = 1;

/** `SEND_SIG_PRIV` of the kernel: a signal of the kernel's own. Other small values stand for no `siginfo`. */
const OF_KERNEL = 1;

/** From a process's cgroup up to the run's: the depth of a task's own cgroups, their root, and the run's. */
const MAX_LEVELS = delegatedBounds.depth + 2;

/** Odd, with bits all over: the golden ratio, as a number of 32 bits. */
const HASH_FACTOR = 0x9e3779b1 | 0;

class BoxProgram extends TraceProgram {
  readonly #maps: BoxMaps;

  constructor(types: KernelTypes, architecture: Architecture, maps: BoxMaps) {
    super(types, architecture, layout);
    this.#maps = maps;
  }

  /** At `sys_exit`, with the registers and the result. */
  noteCall(): void {
    const { calls } = this.#maps;
    this.program
      .load(8, 2, args, 8)
      .jump("signedGreaterOrEqual", 2, 0, "end")
      .jump("signedLessOrEqual", 2, -ERRNOS, "end");
    this.#findOwnRun();
    this.findCall(calls);
    this.#skipErrno();
    this.program.load(4, 1, stack, at.index).store(8, stack, own.number, { of: 1 });
    this.skipDriver();
    this.#beginNote(1);
    this.program
      .load(8, 1, args, 8)
      .compute("move", 2, 0)
      .compute("subtract", 2, { of: 1 })
      .store(4, buffer, noteLayout.result, { of: 2 })
      .load(8, 1, stack, at.kind)
      .store(4, buffer, noteLayout.kind, { of: 1 })
      .jump("equal", 1, noteKinds.plain, "note");
    this.loadArgument(dentry, at.name)
      .jump("equal", dentry, 0, "note")
      .compute("move", mount, -1)
      .load(8, 1, stack, at.kind)
      .jump("equal", 1, noteKinds.address, "address")
      .load(8, 1, stack, at.folder)
      .jump("equal", 1, 0, "named");
    this.loadArgument(mount, at.folder).goto("named").label("address");
    this.#noteAddress();
    this.program.label("named");
    this.appendName(helpers.readUserText);
    this.program.goto("note").label("lost").store(8, buffer, noteLayout.text, 0).label("note");
    this.#takeSlot();
    this.#write();
  }

  /** At `signal_generate`: the signal, its `siginfo`, the thread, whether for the process, and the result. */
  noteSignal(): void {
    const { watched, level } = this.#maps;
    const wanted = notedSignals.reduce((mask, signal) => mask | (1n << BigInt(signal)), 0n);
    this.program
      .load(8, 1, args, 0)
      .jump("greater", 1, 31, "end")
      .constant(2, wanted)
      .compute("shiftRight", 2, { of: 1 })
      .compute("and", 2, 1)
      .jump("equal", 2, 0, "end")
      .load(8, 2, args, 32)
      .jump("equal", 2, IGNORED, "end")
      .store(8, stack, own.number, { of: 1 })
      .load(8, dentry, args, 16);
    // Up from the process's cgroup to that of a run. The part is the cgroup before it on the way, or the run's own.
    this.field(1, dentry, "task_struct.cgroups");
    this.field(mount, 1, "css_set.dfl_cgrp").compute("move", buffer, 0);
    this.#storeCgroupId(mount).store(8, stack, own.part, { of: 1 }).label("up");
    this.#storeCgroupId(mount)
      .constant(1, { map: watched })
      .compute("move", 2, { of: stack })
      .compute("add", 2, at.cgroup)
      .call(helpers.mapLookUp)
      .jump("notEqual", 0, 0, "watched")
      .load(8, 1, stack, at.cgroup)
      .store(8, stack, own.part, { of: 1 });
    this.field(1, mount, "cgroup.self.parent")
      .jump("equal", 1, 0, "end")
      .compute("add", 1, -this.types.offset("cgroup.self"))
      .compute("move", mount, { of: 1 })
      .compute("add", buffer, 1)
      .jump("less", buffer, MAX_LEVELS, "up")
      .goto("end")
      .label("watched")
      .load(8, 1, 0, runLayout.index)
      .store(8, stack, own.run, { of: 1 });
    this.field(1, dentry, "task_struct.tgid", 4).compute("move", dentry, { of: 1 });
    this.skipDriver();
    this.#beginNote(2);
    this.program
      .store(4, buffer, noteLayout.kind, noteKinds.signal)
      .store(4, buffer, signalLayout.target, { of: dentry })
      .load(8, 1, stack, own.part)
      .store(8, buffer, signalLayout.part, { of: 1 })
      .call(helpers.currentCgroupId)
      .store(8, buffer, signalLayout.senderPart, { of: 0 })
      .load(8, 1, stack, own.part)
      .jump("equal", 0, { of: 1 }, "sender")
      .store(4, stack, at.index, 0);
    this.lookUp(level, at.index)
      .load(4, 1, 0, 0)
      .compute("add", 1, 1)
      .call(helpers.ancestorCgroupId)
      .store(8, buffer, signalLayout.senderPart, { of: 0 })
      .label("sender")
      .load(8, mount, args, 8)
      .compute("move", 1, 0)
      .jump("equal", mount, 0, "code")
      .compute("move", 1, SI_KERNEL)
      .jump("equal", mount, OF_KERNEL, "code");
    this.field(1, mount, "kernel_siginfo.si_code", 4)
      .label("code")
      .store(4, buffer, noteLayout.result, { of: 1 })
      // Slots differ by signal and by process.
      .load(4, 1, buffer, noteLayout.number)
      .compute("shiftLeft", 1, 2)
      .compute("exclusiveOr", 1, { of: dentry })
      .compute("and", 1, SIGNAL_SLOTS - 1)
      .compute("add", 1, CALL_SLOTS);
    this.#write();
  }

  /**
   * At `signal_generate`: notes in which file a process has crashed, and where in it. Only if the signal is for the
   * process that makes it, as for a fault.
   */
  noteCrash(): void {
    const faults = [4, 5, 7, 8, 11].reduce((mask, signal) => mask | (1 << signal), 0);
    const instruction = this.architecture === "x64" ? "pt_regs.ip" : "pt_regs.pc";
    this.program
      .load(8, 1, args, 0)
      .jump("greater", 1, 31, "end")
      .constant(2, BigInt(faults))
      .compute("shiftRight", 2, { of: 1 })
      .compute("and", 2, 1)
      .jump("equal", 2, 0, "end")
      .store(8, stack, own.number, { of: 1 })
      .call(helpers.currentTask)
      .load(8, 1, args, 16)
      .jump("notEqual", 0, { of: 1 }, "end")
      .load(8, dentry, args, 8)
      .jump("less", dentry, OF_KERNEL + 1, "end");
    this.field(1, dentry, "kernel_siginfo.si_code", 4)
      .compute("shiftLeft", 1, 32)
      .jump("signedLessOrEqual", 1, 0, "end");
    this.#findOwnRun();
    this.skipDriver();
    this.#beginNote(3);
    this.program
      .store(4, buffer, noteLayout.kind, noteKinds.crash)
      .store(8, buffer, noteLayout.hash, 0)
      .call(helpers.currentTaskOfType)
      .compute("move", mount, { of: 0 })
      .compute("move", 1, { of: 0 })
      .call(helpers.registersOf)
      .compute("move", 1, { of: 0 });
    this.field(dentry, 1, instruction);
    for (const offset of [0, 8, 16]) this.program.store(8, stack, own.mapping + offset, 0);
    this.program
      .compute("move", 1, { of: mount })
      .compute("move", 2, { of: dentry })
      .function(3, "found")
      .compute("move", 4, { of: stack })
      .compute("add", 4, own.mapping)
      .compute("move", 5, 0)
      .call(helpers.findMapping)
      .jump("notEqual", 0, 0, "note")
      .load(8, 1, stack, own.mapping)
      .compute("subtract", dentry, { of: 1 })
      .load(8, 1, stack, own.mapping + 8)
      .compute("shiftLeft", 1, this.#maps.pageShift)
      .compute("add", dentry, { of: 1 })
      .store(8, buffer, noteLayout.hash, { of: dentry })
      .load(8, dentry, stack, own.mapping + 16)
      .jump("equal", dentry, 0, "note");
    this.#loadPath();
    this.appendPath("lost");
    this.program.goto("note").label("lost").store(8, buffer, noteLayout.text, 0);
    this.program.label("note").compute("move", 1, CRASH_SLOT);
    this.#write();
    this.#foundMapping();
  }

  /**
   * At `sched_process_exit`, which each thread passes: notes the thread that has ended its process by exit_group(2),
   * and the exit code. The others are ended by it, or by a signal.
   */
  noteEnd(): void {
    const [number, size] =
      this.architecture === "x64" ? (["pt_regs.orig_ax", 8] as const) : (["pt_regs.syscallno", 4] as const);
    this.#findOwnRun();
    this.skipDriver();
    this.program
      .call(helpers.currentTaskOfType)
      .compute("move", 1, { of: 0 })
      .call(helpers.registersOf)
      .compute("move", dentry, { of: 0 });
    this.field(1, dentry, number, size)
      .jump("notEqual", 1, systemCallNumber("exit_group", this.architecture) ?? 0, "end")
      .store(8, stack, own.number, { of: 1 });
    this.#beginNote(4);
    this.program.store(4, buffer, noteLayout.kind, noteKinds.end);
    this.read(8, 1, dentry, this.argumentOffset(0))
      .compute("and", 1, 0xff)
      .store(4, buffer, noteLayout.result, { of: 1 })
      .load(8, 7, stack, own.value)
      .load(8, 1, 7, runLayout.ends)
      .compute("move", 2, { of: 1 })
      .compute("add", 2, 1)
      .store(8, 7, runLayout.ends, { of: 2 })
      .compute("and", 1, END_SLOTS - 1)
      .compute("add", 1, FIRST_END_SLOT);
    this.#write();
  }

  /**
   * Loads the path of the file to which `dentry` points. A mapping of a file in overlayfs has a file of the layer
   * below, whose mount is in no namespace. From Linux 6.8 on, that file knows the path that its process opened. Of
   * another file without a path, such as a memfd, what is read is no path either, and gets lost.
   */
  #loadPath(): void {
    this.field(mount, dentry, "file.f_path.mnt");
    if (this.types.findOffset("backing_file.user_path") !== undefined) {
      this.read(8, 1, mount, this.types.offset("mount.mnt_ns") - this.types.offset("mount.mnt")).jump(
        "signedLessOrEqual",
        1,
        -4097,
        "mounted",
      );
      this.field(mount, dentry, "backing_file.user_path.mnt");
      this.field(dentry, dentry, "backing_file.user_path.dentry").goto("path").label("mounted");
    }
    this.field(dentry, dentry, "file.f_path.dentry").label("path");
  }

  /** A function that copies what `noteCrash` needs of a mapping, its second argument, to its third argument. */
  #foundMapping(): void {
    this.program.label("found").compute("move", 6, { of: 2 }).compute("move", 7, { of: 3 });
    for (const [index, name] of ["vm_start", "vm_pgoff", "vm_file"].entries()) {
      this.program
        .compute("move", 1, { of: 7 })
        .compute("add", 1, index * 8)
        .compute("move", 2, 8)
        .compute("move", 3, { of: 6 })
        .compute("add", 3, this.types.offset(`vm_area_struct.${name}`))
        .call(helpers.readKernel);
    }
    this.program.compute("move", 0, 0).exit();
  }

  /** Ends the program unless the process is in a watched run. Otherwise stores the run on the stack. */
  #findOwnRun(): void {
    const { watched, level } = this.#maps;
    this.findWatched(watched, level)
      .store(8, stack, own.value, { of: 0 })
      .load(8, 1, 0, runLayout.index)
      .store(8, stack, own.run, { of: 1 });
  }

  /** Ends the program unless the call's entry, to which r0 points, has the errno. */
  #skipErrno(): void {
    this.program
      .load(8, 1, args, 8)
      .compute("move", 2, 0)
      .compute("subtract", 2, { of: 1 })
      .load(8, 1, 0, 16)
      .jump("less", 2, 64, "low")
      .load(8, 1, 0, 24)
      .label("low")
      .compute("and", 2, 63)
      .compute("shiftRight", 1, { of: 2 })
      .compute("and", 1, 1)
      .jump("equal", 1, 0, "end");
  }

  /** Stores the id of a cgroup on the stack. */
  #storeCgroupId(cgroup: typeof mount) {
    this.field(1, cgroup, "cgroup.kn");
    return this.field(1, 1, "kernfs_node.id").store(8, stack, at.cgroup, { of: 1 });
  }

  /** Begins a note. The stack has the name of the process, the run, and the number of the call or signal. */
  #beginNote(index: number): void {
    this.takeBuffer(this.#maps.buffers, index)
      .call(helpers.nanoseconds)
      .store(8, buffer, noteLayout.time, { of: 0 })
      .load(4, 1, stack, own.run + 4)
      .store(4, buffer, noteLayout.run, { of: 1 })
      .call(helpers.currentPid)
      .store(4, buffer, noteLayout.thread, { of: 0 })
      .compute("shiftRight", 0, 32)
      .store(4, buffer, noteLayout.pid, { of: 0 })
      .call(helpers.currentUid)
      .store(4, buffer, noteLayout.uid, { of: 0 })
      .load(8, 1, stack, own.number)
      .store(4, buffer, noteLayout.number, { of: 1 })
      .load(8, 1, stack, at.comm)
      .store(8, buffer, noteLayout.program, { of: 1 })
      .load(8, 1, stack, at.comm + 8)
      .store(8, buffer, noteLayout.program + 8, { of: 1 });
  }

  /** Notes the address to which `dentry` points, or makes it a name if it is a socket's file. */
  #noteAddress(): void {
    this.readUser(2, 1, dentry, 0)
      .jump("equal", 1, AF_UNIX, "unix")
      .jump("equal", 1, AF_INET, "internet")
      .jump("notEqual", 1, AF_INET6, "end")
      .label("internet")
      .compute("move", 3, { of: dentry })
      .compute("move", 1, { of: buffer })
      .compute("add", 1, noteLayout.text)
      .compute("move", 2, SOCKADDR_IN6_BYTES)
      .call(helpers.readUser)
      .goto("note")
      .label("unix")
      .store(4, buffer, noteLayout.kind, noteKinds.name)
      .compute("add", dentry, 2);
  }

  /** Loads the slot of a call into r1: the earlier slot of the same failure, or the next one. */
  #takeSlot(): void {
    this.program
      .load(4, 1, buffer, noteLayout.number)
      .load(4, 2, buffer, noteLayout.result)
      .compute("shiftLeft", 2, 32)
      .compute("or", 1, { of: 2 })
      .compute("multiply", 1, HASH_FACTOR);
    for (let offset = 0; offset < noteLayout.textBytes; offset += 8) {
      this.program
        .load(8, 2, buffer, noteLayout.text + offset)
        .jump("equal", 2, 0, "hashed")
        .compute("exclusiveOr", 1, { of: 2 })
        .compute("multiply", 1, HASH_FACTOR)
        .compute("move", 2, { of: 1 })
        .compute("shiftRight", 2, 32)
        .compute("exclusiveOr", 1, { of: 2 });
    }
    // The upper bits depend on all others.
    this.program
      .label("hashed")
      .compute("multiply", 1, HASH_FACTOR)
      .store(8, buffer, noteLayout.hash, { of: 1 })
      .load(8, 7, stack, own.value)
      .compute("shiftRight", 1, 56)
      .compute("move", 8, { of: 7 })
      .compute("add", 8, { of: 1 })
      .load(1, 1, 8, runLayout.slots)
      .store(4, stack, own.key + 4, { of: 1 })
      .load(4, 1, stack, own.run)
      .store(4, stack, own.key, { of: 1 })
      .constant(1, { map: this.#maps.notes })
      .compute("move", 2, { of: stack })
      .compute("add", 2, own.key)
      .call(helpers.mapLookUp)
      .jump("equal", 0, 0, "new")
      .load(8, 1, 0, noteLayout.hash)
      .load(8, 2, buffer, noteLayout.hash)
      .jump("notEqual", 1, { of: 2 }, "new")
      .load(4, 1, 0, noteLayout.run)
      .load(4, 2, buffer, noteLayout.run)
      .jump("notEqual", 1, { of: 2 }, "new")
      .load(4, 1, stack, own.key + 4)
      .goto("write")
      .label("new")
      .load(4, 3, buffer, noteLayout.result)
      .jump("equal", 3, errno.ENOENT, "absent")
      .load(8, 1, 7, runLayout.count)
      .compute("move", 2, { of: 1 })
      .compute("add", 2, 1)
      .store(8, 7, runLayout.count, { of: 2 })
      .compute("and", 1, RING_SLOTS - 1)
      .compute("add", 1, RING_SLOTS)
      .goto("slot")
      .label("absent")
      .load(8, 1, 7, runLayout.absent)
      .compute("move", 2, { of: 1 })
      .compute("add", 2, 1)
      .store(8, 7, runLayout.absent, { of: 2 })
      .compute("and", 1, RING_SLOTS - 1)
      .label("slot")
      .store(1, 8, runLayout.slots, { of: 1 })
      .label("write");
  }

  /** Writes the note into the slot in r1, and ends the program. */
  #write(): void {
    this.program
      .store(4, stack, own.key + 4, { of: 1 })
      .load(4, 1, stack, own.run)
      .store(4, stack, own.key, { of: 1 })
      .constant(1, { map: this.#maps.notes })
      .compute("move", 2, { of: stack })
      .compute("add", 2, own.key)
      .compute("move", 3, { of: buffer })
      .compute("move", 4, 0)
      .call(helpers.mapUpdate)
      .label("end")
      .compute("move", 0, 0)
      .exit();
  }
}

/** `sizeof(struct sockaddr_in6)`. */
const SOCKADDR_IN6_BYTES = 28;

export interface BoxProgramBytes {
  readonly tracepoint: "sys_exit" | "signal_generate" | "sched_process_exit";
  readonly bytes: Uint8Array;
  /** Number of instructions before the program's function. Kernels before 5.17 cannot load such a program. */
  readonly functionAt?: number;
}

/** @throws RangeError if the kernel's types lack a field that a program reads */
export function boxPrograms(
  types: KernelTypes,
  architecture: Architecture,
  maps: BoxMaps,
): readonly BoxProgramBytes[] {
  const make = (
    tracepoint: BoxProgramBytes["tracepoint"],
    write: (program: BoxProgram) => void,
    label?: string,
  ): BoxProgramBytes => {
    const program = new BoxProgram(types, architecture, maps);
    write(program);
    const bytes = program.bytes();
    return { tracepoint, bytes, ...(label !== undefined && { functionAt: program.position(label) }) };
  };
  return [
    make("sys_exit", (program) => program.noteCall()),
    make("signal_generate", (program) => program.noteSignal()),
    make("sched_process_exit", (program) => program.noteEnd()),
    make("signal_generate", (program) => program.noteCrash(), "found"),
  ];
}

/** The number of entries in the table of calls, and of buffers. */
export const entries = { calls: CALL_NUMBERS, buffers: 5 } as const;
