/**
 * The black box: what the system calls of the watched runs failed with lately, who sent signals to them, and which
 * threads ended their processes. BPF programs note this in the kernel. Nothing is read until somebody asks for a run's
 * notes, so the notes cost this process nothing. All is gone with this process: nothing is pinned.
 */
import { closeSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { relative } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { DriverError, messageOf } from "../../base/errors.ts";
import { createMap, EntryWindow, type MapShape, setEntry, trace } from "../bpf/bpf.ts";
import { KernelTypes, typesFile } from "../bpf/btf.ts";
import { cgroupId } from "../cgroup/cgroup.ts";
import { pageSize } from "../kernel/pageSize.ts";
import { type Architecture, supportedArchitecture } from "../kernel/systemCalls.ts";
import { type Note, noteLayout, readNote } from "./notes.ts";
import {
  type BoxProgramBytes,
  BUFFER_BYTES,
  boxPrograms,
  CALL_BYTES,
  callTable,
  entries,
  runLayout,
  SLOTS,
} from "./programs.ts";

/** Maximum number of runs at a time; those beyond it are not watched. */
const maxRuns = 4_096;
/** Maximum number of notes of all runs. The kernel allocates a note, some 900 bytes, only when it is made. */
const maxNotes = 65_536;

/** A watched run. */
export interface WatchedRun extends Disposable {
  /** The notes, in the order of their times; none if the watch or the box has ended. */
  read(): Note[];
  /** Ends the watch; the notes are lost. */
  [Symbol.dispose](): void;
}

type Maps = Readonly<Record<"watched" | "level" | "notes", number>>;

export class BlackBox implements Disposable {
  readonly #opened: DisposableStack;
  readonly #watched: EntryWindow;
  readonly #levels: EntryWindow;
  readonly #notes: EntryWindow;
  readonly #architecture: Architecture;
  readonly #mount: string;
  /** Indices of slots that no run has. */
  readonly #free: number[] = [];
  #indices = 0;
  #runs = 0;
  /** The depth that the programs know. */
  #level = 0;
  /** The newest run of each watched cgroup, by the cgroup's id. */
  readonly #runOf = new Map<bigint, number>();

  private constructor(opened: DisposableStack, maps: Maps, architecture: Architecture, mount: string) {
    this.#opened = opened;
    this.#watched = new EntryWindow(maps.watched, { keyBytes: 8, valueBytes: runLayout.bytes });
    this.#levels = new EntryWindow(maps.level, { keyBytes: 4, valueBytes: 4 });
    this.#notes = new EntryWindow(maps.notes, { keyBytes: 8, valueBytes: noteLayout.bytes });
    this.#architecture = architecture;
    this.#mount = mount;
  }

  /**
   * Loads the programs, and attaches them.
   * @param mount where cgroup v2 is mounted; undefined if it is not
   * @throws DriverError `UNSUPPORTED` if the kernel cannot run the programs
   */
  static async open(mount: string | undefined): Promise<BlackBox> {
    using opened = new DisposableStack();
    const own = (descriptor: number) => opened.adopt(descriptor, closeSync);
    try {
      if (mount === undefined) throw new RangeError("cgroup v2 is not mounted");
      const architecture = supportedArchitecture();
      const types = new KernelTypes(await readFile(typesFile));
      const make = (type: MapShape["type"], keyBytes: number, valueBytes: number, count: number) =>
        own(createMap({ type, keyBytes, valueBytes, entries: count }));
      const maps = {
        watched: make("hash", 8, runLayout.bytes, maxRuns),
        level: make("array", 4, 4, 1),
        notes: make("hash", 8, noteLayout.bytes, maxNotes),
        buffers: make("arrayPerProcessor", 4, BUFFER_BYTES, entries.buffers),
        calls: make("array", 4, CALL_BYTES, entries.calls),
      };
      for (const [number, entry] of callTable(types, architecture))
        setEntry(maps.calls, words(number), new Uint8Array(entry.buffer));
      const places = { ...maps, pageShift: Math.log2(pageSize()) };
      for (const each of boxPrograms(types, architecture, places)) {
        // Tasks may be running, and the kernel takes its time to check a program.
        await nextTurn();
        attach(each, own);
      }
      return new BlackBox(opened.move(), maps, architecture, mount);
    } catch (thrown) {
      throw unsupported(thrown);
    }
  }

  /**
   * Begins to note what concerns the processes in a cgroup and in its child cgroups.
   * @throws Error as fs functions do
   * @throws DriverError `KERNEL_CALL_FAILED`, with E2BIG if there are too many runs
   */
  watch(cgroup: string): WatchedRun {
    const id = cgroupId(cgroup);
    const index = this.#free.pop() ?? this.#indices++;
    // The number tells the run's notes from those of an earlier run in the same slots.
    const run = ++this.#runs;
    // In practice, all tasks of an agent have their cgroups at the same depth.
    const level = relative(this.#mount, cgroup).split("/").length;
    try {
      this.#setLevel(level);
      this.#watched.key.writeBigUInt64LE(id);
      this.#watched.value.fill(0).set(words(index, run), runLayout.index);
      this.#watched.set();
    } catch (thrown) {
      this.#free.push(index);
      throw thrown;
    }
    this.#runOf.set(id, run);
    let isWatched = true;
    return {
      read: () => (isWatched && !this.#opened.disposed ? this.#read(index, run) : []),
      [Symbol.dispose]: () => {
        if (!isWatched || this.#opened.disposed) return;
        isWatched = false;
        this.#free.push(index);
        // A later run may have the same cgroup.
        if (this.#runOf.get(id) !== run) return;
        this.#runOf.delete(id);
        this.#watched.key.writeBigUInt64LE(id);
        this.#watched.delete();
      },
    };
  }

  [Symbol.dispose](): void {
    this.#opened.dispose();
  }

  #setLevel(level: number): void {
    if (level === this.#level) return;
    this.#levels.value.writeUInt32LE(level);
    this.#levels.set();
    this.#level = level;
  }

  #read(index: number, run: number): Note[] {
    const notes = Array.from({ length: SLOTS }, (_, slot) => {
      this.#notes.key.set(words(index, slot));
      return this.#notes.find() ? readNote(this.#notes.value, run, this.#architecture) : undefined;
    });
    return notes.filter((note) => note !== undefined).sort((one, other) => Number(one.timeNs - other.timeNs));
  }
}

/** Why there can be no black box on this host, as a sentence without its full stop; undefined if there can. */
export async function findBlackBoxProblem(mount: string | undefined): Promise<string | undefined> {
  try {
    using _box = await BlackBox.open(mount);
    return undefined;
  } catch (thrown) {
    return messageOf(thrown);
  }
}

/** Words of four bytes, in the machine's order. */
function words(...values: readonly number[]): Uint8Array {
  return new Uint8Array(new Uint32Array(values).buffer);
}

/** Attaches a program. Older kernels cannot load one with a function: there, crashes have no summary. */
function attach(
  { tracepoint, bytes, functionAt }: BoxProgramBytes,
  own: (descriptor: number) => number,
): void {
  try {
    const { program, link } = trace(tracepoint, bytes, functionAt);
    own(link);
    own(program);
  } catch (thrown) {
    if (functionAt === undefined) throw thrown;
  }
}

function unsupported(thrown: unknown): DriverError {
  const isCall = thrown instanceof DriverError;
  const why = isCall ? "" : `: ${messageOf(thrown)}`;
  return new DriverError("UNSUPPORTED", `this host cannot run the programs of the black box${why}`, {
    ...(isCall && thrown.failed !== undefined && { failed: thrown.failed }),
    hint: `They need ${typesFile} (CONFIG_DEBUG_INFO_BTF), bpf(2) with raw tracepoints (CONFIG_BPF_EVENTS), cgroup v2, and a kernel that is not locked down for confidentiality`,
    cause: thrown,
  });
}
