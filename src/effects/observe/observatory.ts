/**
 * The sets of what observed runs use: files, names, addresses, capabilities. BPF programs keep them in the kernel, and
 * nothing is read until somebody asks for a run's set. All is gone with this process: nothing is pinned.
 *
 * What `run --learn` does not see, is not seen here either (docs/learn.md).
 */
import { closeSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { relative } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { DriverError, hasErrno, messageOf } from "../../base/errors.ts";
import {
  createMap,
  EntryWindow,
  loadTracing,
  type MapShape,
  missedRuns,
  setEntry,
  trace,
} from "../bpf/bpf.ts";
import { KernelTypes, typesFile } from "../bpf/btf.ts";
import { CALL_NUMBERS } from "../bpf/calls.ts";
import { Ring } from "../bpf/ring.ts";
import { cgroupId } from "../cgroup/cgroup.ts";
import { pageSize } from "../kernel/pageSize.ts";
import { supportedArchitecture } from "../kernel/systemCalls.ts";
import { Bell } from "../plan/bell.ts";
import type { Access } from "./access.ts";
import { readNote } from "./notes.ts";
import {
  KEY_BYTES,
  kindsOfCalls,
  MAX_NOTES,
  NOTE_BYTES,
  SET_BUFFER_BYTES,
  type SetMaps,
  setBuffers,
  setKinds,
  setLayout,
  setPrograms,
} from "./setPrograms.ts";
import { CALL_BYTES, type CallTable, callTables } from "./watchedCalls.ts";

/** Maximum number of runs at a time; those beyond it are not observed. */
const maxRuns = 256;

/** Bytes of the ring of news. News that it has no room for are of no more use: there are some of their runs already. */
const newsBytes = 64 * 1024;

/** Minimum time between two looks at the news, in milliseconds. */
const newsPauseMs = 1_000;

/** Notes that are read in one turn of the event loop. */
const notesPerTurn = 64;

/** What a run was seen to use since the watch began. */
export interface SeenUse {
  readonly accesses: readonly Access[];
  /** Uses that could not be noted: the set was full, or a name too long. Repeated ones count each time. */
  readonly lost: number;
}

/** An observed run. */
export interface ObservedRun extends Disposable {
  /**
   * What is new since the last call; all of it at the first. Undefined if the watch or the observatory has ended, if a
   * later run has the cgroup, or if later runs have cgroups at another depth.
   */
  read(): Promise<SeenUse | undefined>;
  /** Ends the watch; the set is lost. */
  [Symbol.dispose](): void;
}

export class Observatory implements Disposable {
  /** Whether this kernel shows which capabilities are used: from Linux 6.13 on. */
  readonly seesCapabilities: boolean;
  readonly #opened: DisposableStack;
  readonly #programs: readonly number[];
  readonly #watched: EntryWindow;
  readonly #levels: EntryWindow;
  readonly #notes: EntryWindow;
  readonly #mount: string;
  /** The last run's number. */
  #runs = 0n;
  /** The depth that the programs know. */
  #level = 0;
  readonly #newsMap: number;
  /** Undefined until somebody wants to know of news. */
  #news: News | undefined;
  /** Those who want to know, by the number of their run. */
  readonly #curious = new Map<bigint, () => void>();
  /** The newest run of each observed cgroup, by the cgroup's id. */
  readonly #runOf = new Map<bigint, bigint>();

  private constructor(opened: DisposableStack, maps: SetMaps, programs: readonly number[], seen: Seeing) {
    this.#opened = opened;
    this.#programs = programs;
    this.#watched = new EntryWindow(maps.watched, { keyBytes: 8, valueBytes: setLayout.bytes });
    this.#levels = new EntryWindow(maps.level, { keyBytes: 4, valueBytes: 4 });
    this.#notes = new EntryWindow(maps.notes, { keyBytes: KEY_BYTES, valueBytes: NOTE_BYTES });
    this.#newsMap = maps.news;
    this.#mount = seen.mount;
    this.seesCapabilities = seen.capabilities;
  }

  /**
   * Loads the programs, and attaches them.
   * @param mount where cgroup v2 is mounted; undefined if it is not
   * @throws DriverError `UNSUPPORTED` if the kernel cannot run the programs
   */
  static async open(mount: string | undefined): Promise<Observatory> {
    using opened = new DisposableStack();
    const own = (descriptor: number) => opened.adopt(descriptor, closeSync);
    try {
      if (mount === undefined) throw new RangeError("cgroup v2 is not mounted");
      const architecture = supportedArchitecture();
      const types = new KernelTypes(await readFile(typesFile));
      const tables = callTables(types, architecture);
      const maps = createMaps(tables, own);
      for (const [number, kind] of kindsOfCalls(tables, architecture))
        setEntry(maps.kinds, words(number), words(kind));
      const attached: number[] = [];
      let capabilities = true;
      for (const { bytes, place, optional } of setPrograms(types, architecture, maps)) {
        // Tasks may be running, and the kernel takes its time to check a program.
        await nextTurn();
        if ("index" in place) {
          setEntry(maps.programs, words(place.index), words(own(loadTracing(bytes))));
          continue;
        }
        const program = attach(place.tracepoint, bytes, optional === true, own);
        if (program === undefined) capabilities = false;
        else attached.push(program);
      }
      return new Observatory(opened.move(), maps, attached, { mount, capabilities });
    } catch (thrown) {
      throw unsupported(thrown);
    }
  }

  /** Number of times that a program could not run, for any process of the host: something may be missing in a set. */
  get missed(): number {
    return this.#programs.map(missedRuns).reduce((sum, missed) => sum + missed, 0);
  }

  /**
   * Begins to note what the processes in a cgroup and in its child cgroups use.
   * @param onNews called after the set has got anything new, once for all that is new until then, and a second after the
   *   call before at the earliest
   * @throws Error as fs functions do
   * @throws DriverError `KERNEL_CALL_FAILED`, with E2BIG if there are too many runs
   */
  watch(cgroup: string, onNews?: () => void): ObservedRun {
    const id = cgroupId(cgroup);
    const run = ++this.#runs;
    const level = relative(this.#mount, cgroup).split("/").length;
    this.#setLevel(level);
    this.#watched.key.writeBigUInt64LE(id);
    this.#watched.value.fill(0).writeBigUInt64LE(run, setLayout.run);
    this.#watched.set();
    this.#runOf.set(id, run);
    if (onNews !== undefined) {
      this.#news ??= this.#opened.use(new News(this.#newsMap, (of) => this.#curious.get(of)?.()));
      this.#curious.set(run, onNews);
    }
    /** The hashes that are read. */
    const read: bigint[] = [];
    const isOwn = () => !this.#opened.disposed && this.#runOf.get(id) === run;
    // The programs look at one depth only.
    const isCurrent = () => isOwn() && this.#level === level;
    return {
      read: async () => {
        const set = isCurrent() ? this.#setOf(id) : undefined;
        if (set === undefined) return undefined;
        const fresh = set.hashes.slice(read.length);
        const accesses: Access[] = [];
        for (const [index, hash] of fresh.entries()) {
          if (index > 0 && index % notesPerTurn === 0) await nextTurn();
          if (!isCurrent()) return undefined;
          const access = this.#noteOf(run, hash);
          // The program that has counted a note may not have written it yet. One that could not has counted a loss.
          if (access === "missing" && set.lost === 0) break;
          read.push(hash);
          if (access !== undefined && access !== "missing") accesses.push(access);
        }
        return { accesses, lost: set.lost };
      },
      [Symbol.dispose]: () => {
        this.#curious.delete(run);
        if (this.#opened.disposed) return;
        const hashes = isOwn() ? (this.#setOf(id)?.hashes ?? read) : read;
        // A later run may have the same cgroup.
        if (isOwn()) {
          this.#runOf.delete(id);
          this.#watched.key.writeBigUInt64LE(id);
          this.#watched.delete();
        }
        void this.#forget(run, hashes);
      },
    };
  }

  [Symbol.dispose](): void {
    this.#opened.dispose();
  }

  #setLevel(level: number): void {
    // In practice, all tasks of an agent have their cgroups at the same depth.
    if (level === this.#level) return;
    this.#levels.value.writeUInt32LE(level);
    this.#levels.set();
    this.#level = level;
  }

  #setOf(id: bigint): { readonly hashes: readonly bigint[]; readonly lost: number } | undefined {
    this.#watched.key.writeBigUInt64LE(id);
    if (!this.#watched.find()) return undefined;
    const { value } = this.#watched;
    const count = Math.min(Number(value.readBigUInt64LE(setLayout.count)), MAX_NOTES);
    return {
      hashes: Array.from({ length: count }, (_, at) => value.readBigUInt64LE(setLayout.hashes + at * 8)),
      lost: Number(value.readBigUInt64LE(setLayout.lost)),
    };
  }

  #noteOf(run: bigint, hash: bigint): Access | undefined | "missing" {
    this.#setKey(run, hash);
    return this.#notes.find() ? readNote(this.#notes.value)?.access : "missing";
  }

  /** Removes the notes of a run. */
  async #forget(run: bigint, hashes: readonly bigint[]): Promise<void> {
    for (const [index, hash] of hashes.entries()) {
      if (index > 0 && index % notesPerTurn === 0) await nextTurn();
      if (this.#opened.disposed) return;
      this.#setKey(run, hash);
      this.#notes.delete();
    }
  }

  #setKey(run: bigint, hash: bigint): void {
    this.#notes.key.writeBigUInt64LE(run, 0);
    this.#notes.key.writeBigUInt64LE(hash, 8);
  }
}

/** Tells of runs whose sets have got anything new. */
class News implements Disposable {
  readonly #opened: DisposableStack;
  readonly #ring: Ring;
  readonly #bell: Bell;
  readonly #tell: (run: bigint) => void;
  #pause: NodeJS.Timeout | undefined;

  /** @param map the ring's descriptor @param tell called with a run's number @throws DriverError `KERNEL_CALL_FAILED` */
  constructor(map: number, tell: (run: bigint) => void) {
    using opened = new DisposableStack();
    this.#tell = tell;
    this.#ring = opened.use(new Ring(map, newsBytes, pageSize()));
    // Until the bell is there again, the sets are read later.
    const events = { onRing: () => this.#rung(), onProblem: () => undefined };
    this.#bell = opened.use(new Bell("news of observed tasks", undefined, events));
    this.#bell.add(map);
    this.#opened = opened.move();
  }

  #rung(): void {
    if (this.#opened.disposed) return;
    const runs = new Set<bigint>();
    for (let taken = this.#ring.take(256); taken.length > 0; taken = this.#ring.take(256))
      for (const record of taken) runs.add(record.readBigUInt64LE());
    for (const run of runs) this.#tell(run);
    this.#pause = setTimeout(() => this.#bell.listen(), newsPauseMs).unref();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#pause);
    this.#opened.dispose();
  }
}

interface Seeing {
  readonly mount: string;
  readonly capabilities: boolean;
}

/** Why nothing can be observed on this host, as a sentence without its full stop; undefined if it can. */
export async function findObservatoryProblem(mount: string | undefined): Promise<string | undefined> {
  try {
    using _observatory = await Observatory.open(mount);
    return undefined;
  } catch (thrown) {
    return messageOf(thrown);
  }
}

function createMaps(tables: ReturnType<typeof callTables>, own: (descriptor: number) => number): SetMaps {
  const make = (type: MapShape["type"], keyBytes: number, valueBytes: number, entries: number) =>
    own(createMap({ type, keyBytes, valueBytes, entries }));
  const calls = Object.entries(tables).map(([table, entries]) => {
    const map = make("array", 4, CALL_BYTES, CALL_NUMBERS);
    for (const [number, entry] of entries) setEntry(map, words(number), new Uint8Array(entry.buffer));
    return [table, map];
  });
  return {
    watched: make("hash", 8, setLayout.bytes, maxRuns),
    level: make("array", 4, 4, 1),
    notes: make("hash", KEY_BYTES, NOTE_BYTES, maxRuns * MAX_NOTES),
    news: make("ring", 0, 0, newsBytes),
    kinds: make("array", 4, 4, CALL_NUMBERS),
    programs: make("programs", 4, 4, setKinds),
    buffers: make("arrayPerProcessor", 4, SET_BUFFER_BYTES, setBuffers),
    calls: Object.fromEntries(calls) as Record<CallTable, number>,
  };
}

/** @returns the program's descriptor; undefined if this kernel lacks the tracepoint of an optional program */
function attach(
  tracepoint: string,
  bytes: Uint8Array,
  optional: boolean,
  own: (descriptor: number) => number,
): number | undefined {
  try {
    const { program, link } = trace(tracepoint, bytes);
    own(link);
    return own(program);
  } catch (thrown) {
    if (optional && hasErrno(thrown, "ENOENT")) return undefined;
    throw thrown;
  }
}

/** Words of four bytes, in the machine's order. */
function words(...values: readonly number[]): Uint8Array {
  return new Uint8Array(new Uint32Array(values).buffer);
}

function unsupported(thrown: unknown): DriverError {
  const isCall = thrown instanceof DriverError;
  const why = isCall ? "" : `: ${messageOf(thrown)}`;
  return new DriverError("UNSUPPORTED", `this host cannot show what tasks use${why}`, {
    ...(isCall && thrown.failed !== undefined && { failed: thrown.failed }),
    hint: `Observing needs ${typesFile} (CONFIG_DEBUG_INFO_BTF), bpf(2) with raw tracepoints (CONFIG_BPF_EVENTS), cgroup v2, and a kernel that is not locked down for confidentiality`,
    cause: thrown,
  });
}
