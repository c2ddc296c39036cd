/**
 * Observes what the processes of a cgroup use: files, names, addresses, capabilities. Programs in the kernel
 * (bpf(2)) note each use. They add a microsecond to a call, and count the uses that they could not note.
 *
 * The observer does not see files that io_uring(7) opens, files whose descriptors a process got from another
 * process, the dynamic linker that the kernel maps beside a program, or system calls of other architectures.
 * Names of more than a thousand bytes, and paths of more than a hundred folders, are counted as lost.
 * Capabilities are seen from Linux 6.13 on. Answers of name servers are seen where programs can be attached to
 * cgroups.
 */

import { closeSync, readFileSync } from "node:fs";
import { DriverError, hasErrno } from "../../base/errors.ts";
import {
  createMap,
  keysOf,
  type MapShape,
  missedRuns,
  readEntry,
  setEntry,
  trace,
} from "../../effects/bpf/bpf.ts";
import { KernelTypes, typesFile } from "../../effects/bpf/btf.ts";
import { CALL_NUMBERS } from "../../effects/bpf/calls.ts";
import { cgroupId } from "../../effects/cgroup/cgroup.ts";
import { type Architecture, supportedArchitecture } from "../../effects/kernel/systemCalls.ts";
import type { Access } from "../../effects/observe/access.ts";
import { noteLayout, readNote } from "../../effects/observe/notes.ts";
import { CALL_BYTES, type CallTable, callTables } from "../../effects/observe/watchedCalls.ts";
import { AnswerTap } from "./answerTap.ts";
import { BUFFER_BYTES, type Probe, type ProbeMaps, ProbeProgram, probes } from "./probes.ts";

export interface Observer {
  /** Whether this kernel lets the observer see capabilities. */
  readonly seesCapabilities: boolean;
  /** Begins to note what processes in a cgroup and below it use. Leaves out the driver's own processes. */
  watch(cgroup: string): void;
  /** The notes on a watched cgroup, without repetitions and in no particular order. */
  read(cgroup: string): Access[];
  /** Number of uses that could not be noted, in all cgroups together. */
  lost(): number;
  close(): void;
}

const maxCgroups = 1024;
/** Maximum number of notes. The kernel allocates each note, some 1.3 kB, only when it is made. */
const maxNotes = 200_000;

/**
 * @param level depth of the watched cgroups below the root cgroup
 * @throws DriverError `UNSUPPORTED` if the kernel cannot run the programs
 */
export function openObserver(level: number): Observer {
  using opened = new DisposableStack();
  const own: Own = (descriptor) => opened.adopt(descriptor, closeSync);
  try {
    const architecture = supportedArchitecture();
    const types = new KernelTypes(readFileSync(typesFile));
    const maps = createMaps(types, architecture, own);
    const programs = probes.map((probe, index) => {
      const program = new ProbeProgram(types, maps, { index: index + 1, level, architecture });
      probe.body(program);
      return attach(probe, program.bytes(), own);
    });
    const tap = openTap(opened);
    return observerOf({ maps, programs, tap }, opened.move());
  } catch (thrown) {
    throw unsupported(thrown);
  }
}

/** Undefined if this kernel has no rings. */
function openTap(opened: DisposableStack): AnswerTap | undefined {
  try {
    return opened.use(new AnswerTap());
  } catch {
    return undefined;
  }
}

/** Takes over a descriptor, which the observer closes at its end. @returns the descriptor */
type Own = (descriptor: number) => number;

function createMaps(types: KernelTypes, architecture: Architecture, own: Own): ProbeMaps {
  const make = (type: MapShape["type"], keyBytes: number, valueBytes: number, entries: number) =>
    own(createMap({ type, keyBytes, valueBytes, entries }));
  const calls = Object.entries(callTables(types, architecture)).map(([table, entries]) => {
    const map = make("array", 4, CALL_BYTES, CALL_NUMBERS);
    for (const [number, entry] of entries)
      setEntry(map, new Uint8Array(new Uint32Array([number]).buffer), new Uint8Array(entry.buffer));
    return [table, map];
  });
  return {
    watched: make("hash", 8, 4, maxCgroups),
    notes: make("hash", noteLayout.bytes, 8, maxNotes),
    buffers: make("arrayPerProcessor", 4, BUFFER_BYTES, probes.length + 1),
    lost: make("array", 4, 8, 1),
    calls: Object.fromEntries(calls) as Record<CallTable, number>,
  };
}

/** @returns the program's descriptor; undefined if this kernel lacks the tracepoint of an optional program */
function attach({ tracepoint, optional }: Probe, code: Uint8Array, own: Own): number | undefined {
  try {
    const { program, link } = trace(tracepoint, code);
    own(link);
    return own(program);
  } catch (thrown) {
    if (optional === true && hasErrno(thrown, "ENOENT")) return undefined;
    throw thrown;
  }
}

interface Observing {
  readonly maps: ProbeMaps;
  /** Undefined for an optional program that this kernel does not have. */
  readonly programs: readonly (number | undefined)[];
  readonly tap: AnswerTap | undefined;
}

/** @param opened the descriptors that the observer closes */
function observerOf({ maps, programs: attached, tap }: Observing, opened: DisposableStack): Observer {
  const ids = new Map<string, bigint>();
  const programs = attached.filter((program) => program !== undefined);
  const watchAnswers = (cgroup: string, id: bigint) => {
    try {
      tap?.watch(cgroup, id);
    } catch {
      // Addresses are learned without their names.
    }
  };
  return {
    // Only the program that notes capabilities is optional.
    seesCapabilities: programs.length === attached.length,
    watch: (cgroup) => {
      const id = cgroupId(cgroup);
      ids.set(cgroup, id);
      setEntry(maps.watched, new Uint8Array(new BigUint64Array([id]).buffer), new Uint8Array(4));
      watchAnswers(cgroup, id);
    },
    read: (cgroup) => {
      const id = ids.get(cgroup);
      const noted = keysOf(maps.notes, noteLayout.bytes).flatMap((key) => {
        const note = readNote(key);
        return note !== undefined && note.cgroup === id ? [note.access] : [];
      });
      return [...noted, ...(id === undefined ? [] : (tap?.read(id) ?? []))];
    },
    lost: () =>
      Number(readEntry(maps.lost, new Uint8Array(4), 8).readBigUInt64LE()) +
      programs.map(missedRuns).reduce((sum, missed) => sum + missed, 0),
    close: () => opened.dispose(),
  };
}

function unsupported(thrown: unknown): DriverError {
  return new DriverError("UNSUPPORTED", "this kernel cannot report what a task uses", {
    failed: thrown instanceof DriverError ? thrown.failed : { call: "open", path: typesFile },
    hint: `The observer needs ${typesFile} (CONFIG_DEBUG_INFO_BTF), bpf(2) with raw tracepoints (CONFIG_BPF_EVENTS), and a kernel that is not locked down for confidentiality`,
    cause: thrown,
  });
}
