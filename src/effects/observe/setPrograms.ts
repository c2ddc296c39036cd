/**
 * The BPF programs that keep the set of what each observed run uses. They run for every process of the host, so
 * what the one at the end of system calls does first is to leave: after a call that names no file and no address, and
 * after one that was refused or found nothing. Only then it asks whether the process is in an observed run, and passes
 * the call on to a program for its kind.
 *
 * A note that the run's set has already is dropped. A set has at most {@link MAX_NOTES} notes; those beyond them are
 * counted. So a task fills its own set only. Pure.
 */
import type { KernelTypes } from "../bpf/btf.ts";
import { CALL_NUMBERS } from "../bpf/calls.ts";
import type { Program } from "../bpf/program.ts";
import { args, at, buffer, helpers, stack } from "../bpf/traceProgram.ts";
import { type Architecture, systemCallNumber } from "../kernel/systemCalls.ts";
import { noteLayout } from "./notes.ts";
import { bufferBytes, type UseMaps, UseProgram } from "./useProgram.ts";
import type { CallTable, callTables } from "./watchedCalls.ts";

/** Bytes for the text of a note; a third of them is left for the last name of a path. */
const TEXT_BYTES = 768;
export const NOTE_BYTES = noteLayout.text + TEXT_BYTES;
/** Size of a buffer: a note, and then the length of the note's text. */
export const SET_BUFFER_BYTES = bufferBytes(TEXT_BYTES);

/** Maximum number of notes of a run: 1.6 MB of the kernel's memory. */
export const MAX_NOTES = 2_048;

/** Offsets in the value of a run, and its size. */
export const setLayout = {
  /** Number of the run, by which its notes are found. */
  run: 0,
  /** Number of new notes. */
  count: 8,
  /** Number of uses that could not be noted. */
  lost: 16,
  /** The hashes of the notes, in the order in which they were new. */
  hashes: 24,
  bytes: 24 + 8 * MAX_NOTES,
} as const;

/** The key of a note: the number of its run, and its hash, words of 8 bytes. */
export const KEY_BYTES = 16;

/** Descriptors of the maps that the programs use. */
export interface SetMaps extends UseMaps {
  /** For the id of a run's cgroup, {@link setLayout}. */
  readonly watched: number;
  /** Depth of the runs' cgroups below the root cgroup: a run may be in a cgroup below its own. */
  readonly level: number;
  readonly notes: number;
  /** A ring with the number of the run of each new note, for whoever wants to know at once. */
  readonly news: number;
  /** For a call's number, the index of the program for its kind and 1; 0 for other calls. */
  readonly kinds: number;
  /** The programs for the kinds of calls. */
  readonly programs: number;
}

/** Places on the stack. The base classes have the others. */
const own = { value: -88, key: -104, context: -112 } as const;

/** After these, there is nothing that the task has used: EPERM, ENOENT, EINTR, EAGAIN, EACCES, EFAULT, EROFS, ENOSYS. */
const withoutUse = [1, 2, 4, 11, 13, 14, 30, 38] as const;

const BPF_NOEXIST = 1;
const EEXIST = 17;

/** Odd, with bits all over: the golden ratio, as a number of 32 bits. */
const HASH_FACTOR = 0x9e3779b1 | 0;

class SetProgram extends UseProgram<SetMaps> {
  /** The program that goes on with the call. */
  readonly #next: number | undefined;

  constructor(
    types: KernelTypes,
    maps: SetMaps,
    place: { readonly index: number; readonly architecture: Architecture },
    next?: number,
  ) {
    super(types, maps, { ...place, textBytes: TEXT_BYTES });
    this.#next = next;
    this.program.store(8, stack, own.context, { of: args });
  }

  /** At `sys_exit`: passes the call on, if it may be one of an observed run that is noted. */
  passOn(): void {
    const { kinds, watched, level, programs } = this.maps;
    this.program.load(8, 2, args, 8).jump("signedGreaterOrEqual", 2, 0, "used");
    for (const errno of withoutUse) this.program.jump("equal", 2, -errno, "end");
    this.program.label("used");
    this.loadNumber()
      .jump("greater", 1, CALL_NUMBERS - 1, "end")
      .store(4, stack, at.index, { of: 1 });
    this.lookUp(kinds, at.index)
      .load(4, 1, 0, 0)
      .jump("equal", 1, 0, "end")
      .compute("subtract", 1, 1)
      .store(8, stack, at.kind, { of: 1 });
    this.findWatched(watched, level).load(8, 3, stack, at.kind);
    tailCall(this.program, programs).label("end").compute("move", 0, 0).exit();
  }

  /** Ends the program unless the process is in an observed run. */
  begin(): this {
    this.findWatched(this.maps.watched, this.maps.level).store(8, stack, own.value, { of: 0 });
    return this;
  }

  /** Ends the program for an ioctl(2) that programs make on every file that they open. */
  skipTerminal(): this {
    this.loadNumber().store(8, stack, at.name, this.argumentOffset(1));
    this.loadArgument(1, at.name).jump("equal", 1, TCGETS, "end");
    return this;
  }

  /** Ends the program unless the kernel has granted the capability. */
  skipRefused(): this {
    this.program.load(8, 1, args, 32).compute("shiftLeft", 1, 32).jump("notEqual", 1, 0, "end");
    return this;
  }

  protected write(): Program {
    const { notes, news, programs } = this.maps;
    const value = 7;
    this.#hash();
    this.program
      .store(8, stack, own.key + 8, { of: 1 })
      .load(8, value, stack, own.value)
      .load(8, 2, value, setLayout.run)
      .store(8, stack, own.key, { of: 2 })
      .constant(1, { map: notes })
      .compute("move", 2, { of: stack })
      .compute("add", 2, own.key)
      .call(helpers.mapLookUp)
      .jump("notEqual", 0, 0, "end")
      .compute("move", 1, 1)
      .fetchAndIncrease(value, setLayout.count, 1)
      .jump("greater", 1, MAX_NOTES - 1, "lost")
      .compute("shiftLeft", 1, 3)
      .compute("add", value, { of: 1 })
      .load(8, 2, stack, own.key + 8)
      .store(8, value, setLayout.hashes, { of: 2 })
      .constant(1, { map: notes })
      .compute("move", 2, { of: stack })
      .compute("add", 2, own.key)
      .compute("move", 3, { of: buffer })
      .compute("move", 4, BPF_NOEXIST)
      .call(helpers.mapUpdate)
      .jump("equal", 0, 0, "new")
      .jump("equal", 0, -EEXIST, "end")
      .goto("lost")
      .label("new")
      // Fails while nobody reads the ring, once it is full.
      .constant(1, { map: news })
      .compute("move", 2, { of: stack })
      .compute("add", 2, own.key)
      .compute("move", 3, 8)
      .compute("move", 4, 0)
      .call(helpers.ringOutput)
      .goto("end")
      .label("lost")
      .load(8, 2, stack, own.value)
      .compute("move", 1, 1)
      .increase(2, setLayout.lost, 1)
      .label("end");
    if (this.#next !== undefined) {
      this.program.load(8, args, stack, own.context).compute("move", 3, this.#next);
      tailCall(this.program, programs);
    }
    return this.program.compute("move", 0, 0).exit();
  }

  /** Loads a hash of the note's kind, detail and text into r1. */
  #hash(): void {
    this.program.load(8, 1, buffer, noteLayout.kind).compute("multiply", 1, HASH_FACTOR);
    for (let offset = 0; offset < TEXT_BYTES; offset += 8) {
      this.program.load(8, 2, buffer, noteLayout.text + offset);
      // No name has eight NULs in it, but an address may: it has the first three words.
      if (offset >= ADDRESS_BYTES) this.program.jump("equal", 2, 0, "hashed");
      this.program
        .compute("exclusiveOr", 1, { of: 2 })
        .compute("multiply", 1, HASH_FACTOR)
        .compute("move", 2, { of: 1 })
        .compute("shiftRight", 2, 32)
        .compute("exclusiveOr", 1, { of: 2 });
    }
    this.program.label("hashed");
  }
}

const ADDRESS_BYTES = 24;

/** Goes on with another program, whose index is in r3, and which gets the context that is in `args`. */
function tailCall(program: Program, programs: number): Program {
  return program.compute("move", 1, { of: args }).constant(2, { map: programs }).call(helpers.tailCall);
}

/** isatty(3) asks so. */
const TCGETS = 0x5401;

/** The kinds of calls, by the index of their program. A call that names two files begins with the second one. */
const kinds = ["secondNames", "names", "opened", "addresses", "control"] as const;
const continued: Partial<Readonly<Record<(typeof kinds)[number], number>>> = { secondNames: 1, names: 2 };

/** For the numbers of calls, the words of {@link SetMaps.kinds}. */
export function kindsOfCalls(
  tables: ReturnType<typeof callTables>,
  architecture: Architecture,
): ReadonlyMap<number, number> {
  const of = (table: CallTable) =>
    [...tables[table].keys()].map((number) => [number, kinds.indexOf(table) + 1] as const);
  const ioctl = systemCallNumber("ioctl", architecture);
  return new Map([
    ...(ioctl === undefined ? [] : [[ioctl, kinds.indexOf("control") + 1] as const]),
    ...of("addresses"),
    ...of("opened"),
    ...of("names"),
    ...of("secondNames"),
  ]);
}

export interface SetProgramBytes {
  readonly bytes: Uint8Array;
  /** Where it is attached; or its index among the programs that others go on with. */
  readonly place:
    | { readonly tracepoint: "sys_exit" | "sched_process_exec" | "cap_capable" }
    | { readonly index: number };
  /** Whether kernels may lack the tracepoint. */
  readonly optional?: true;
}

/** The number of buffers: one of zeros, and one for each program. */
export const setBuffers = kinds.length + 5;
/** The number of programs that others go on with. */
export const setKinds = kinds.length;

/** The programs that others go on with come first. @throws RangeError if the kernel's types lack a field */
export function setPrograms(
  types: KernelTypes,
  architecture: Architecture,
  maps: SetMaps,
): readonly SetProgramBytes[] {
  const program = (index: number, next?: number) =>
    new SetProgram(types, maps, { index, architecture }, next);
  const make = (of: SetProgram, write: (of: SetProgram) => void) => {
    write(of);
    return of.bytes();
  };
  const writers: readonly ((of: SetProgram) => void)[] = [
    (of) => of.begin().noteNames("secondNames"),
    (of) => of.begin().noteNames("names"),
    (of) => of.begin().noteOpened(),
    (of) => of.begin().noteAddresses(),
    (of) => of.skipTerminal().begin().noteControl(),
  ];
  const rest = kinds.length + 1;
  return [
    ...writers.map((write, index) => ({
      place: { index },
      bytes: make(program(index + 1, continued[kinds[index] as (typeof kinds)[number]]), write),
    })),
    { place: { tracepoint: "sys_exit" }, bytes: make(program(rest), (of) => of.passOn()) },
    {
      place: { tracepoint: "sched_process_exec" },
      bytes: make(program(rest + 1), (of) => of.begin().noteExecutedName()),
    },
    {
      place: { tracepoint: "sched_process_exec" },
      bytes: make(program(rest + 2), (of) => of.begin().noteExecuted()),
    },
    {
      place: { tracepoint: "cap_capable" },
      optional: true,
      bytes: make(program(rest + 3), (of) => of.skipRefused().begin().noteCapability()),
    },
  ];
}
