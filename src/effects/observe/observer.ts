/**
 * Observes what the processes of a cgroup use: files, names, ports, capabilities. Programs in the kernel
 * (bpf(2)) note each use. They add a microsecond to a call, and count the uses that they could not note.
 *
 * The observer does not see what io_uring(7) opens, files whose descriptors a process got from another
 * process, the dynamic linker that the kernel maps beside a program, and system calls of other architectures.
 * Names of more than a thousand bytes, and paths of more than a hundred folders, are counted as lost.
 * Capabilities are seen from Linux 6.13 on.
 */
import { closeSync, readFileSync, statSync } from "node:fs";
import type { Access } from "../../config/learn/access.ts";
import { DriverError, hasErrno } from "../../errors.ts";
import { supportedArchitecture } from "../kernel/architecture.ts";
import { createMap, keysOf, missedRuns, readEntry, setEntry, trace } from "./bpf.ts";
import { KernelTypes } from "./btf.ts";
import { readNote } from "./notes.ts";
import {
  CALL_BYTES,
  CALL_NUMBERS,
  type CallTable,
  callTables,
  noteLayout,
  ProbeProgram,
  probes,
  ROOM_BYTES,
} from "./probes.ts";

export interface Observer {
  /** Whether this kernel lets the observer see capabilities. */
  readonly seesCapabilities: boolean;
  /** Begins to note what processes in a cgroup and below it use. Leaves out the driver's own processes. */
  watch(cgroup: string): void;
  /** The notes on a watched cgroup, without repetitions and in no order. */
  read(cgroup: string): Access[];
  /** Number of uses in all cgroups that could not be noted. */
  lost(): number;
  close(): void;
}

const typesFile = "/sys/kernel/btf/vmlinux";
const maxCgroups = 1024;
/** Maximum number of notes. Each takes some 1.3 kB, once it is used. */
const maxNotes = 200_000;

/**
 * @param level depth of the watched cgroups below the root cgroup
 * @throws DriverError `UNSUPPORTED` if the kernel cannot run the programs
 */
export function openObserver(level: number): Observer {
  const opened = new DisposableStack();
  const own = (descriptor: number) => opened.adopt(descriptor, closeSync);
  try {
    const architecture = supportedArchitecture();
    const types = new KernelTypes(readFileSync(typesFile));
    const tables = callTables(types, architecture);
    const maps = {
      watched: own(createMap({ type: "hash", keyBytes: 8, valueBytes: 4, entries: maxCgroups })),
      notes: own(createMap({ type: "hash", keyBytes: noteLayout.bytes, valueBytes: 8, entries: maxNotes })),
      rooms: own(
        createMap({
          type: "arrayPerProcessor",
          keyBytes: 4,
          valueBytes: ROOM_BYTES,
          entries: probes.length + 1,
        }),
      ),
      lost: own(createMap({ type: "array", keyBytes: 4, valueBytes: 8, entries: 1 })),
      calls: Object.fromEntries(
        Object.entries(tables).map(([table, entries]) => [table, own(callMap(entries))]),
      ) as Record<CallTable, number>,
    };
    const programs: number[] = [];
    let seesCapabilities = true;
    for (const [index, { tracepoint, optional, body }] of probes.entries()) {
      const probe = new ProbeProgram(types, maps, { index: index + 1, level, architecture });
      body(probe);
      try {
        const { program, link } = trace(tracepoint, probe.bytes());
        programs.push(own(program));
        own(link);
      } catch (thrown) {
        if (optional !== true || !hasErrno(thrown, "ENOENT")) throw thrown;
        seesCapabilities = false;
      }
    }
    const ids = new Map<string, bigint>();
    return {
      seesCapabilities,
      watch: (cgroup) => {
        // The id of a cgroup is its folder's inode number.
        const id = statSync(cgroup, { bigint: true }).ino;
        ids.set(cgroup, id);
        setEntry(maps.watched, new Uint8Array(new BigUint64Array([id]).buffer), new Uint8Array(4));
      },
      read: (cgroup) => {
        const id = ids.get(cgroup);
        return keysOf(maps.notes, noteLayout.bytes).flatMap((key) => {
          const note = readNote(key);
          return note !== undefined && note.cgroup === id ? [note.access] : [];
        });
      },
      lost: () =>
        Number(readEntry(maps.lost, new Uint8Array(4), 8).readBigUInt64LE()) +
        programs.map(missedRuns).reduce((sum, missed) => sum + missed, 0),
      close: () => opened.dispose(),
    };
  } catch (thrown) {
    opened.dispose();
    throw unsupported(thrown);
  }
}

function callMap(entries: ReadonlyMap<number, Uint32Array>): number {
  const map = createMap({ type: "array", keyBytes: 4, valueBytes: CALL_BYTES, entries: CALL_NUMBERS });
  for (const [number, entry] of entries)
    setEntry(map, new Uint8Array(new Uint32Array([number]).buffer), new Uint8Array(entry.buffer));
  return map;
}

function unsupported(thrown: unknown): DriverError {
  return new DriverError("UNSUPPORTED", "this kernel cannot report what a task uses", {
    failed: thrown instanceof DriverError ? thrown.failed : { call: "open", path: typesFile },
    hint: `It needs ${typesFile} (CONFIG_DEBUG_INFO_BTF), bpf(2) with raw tracepoints (CONFIG_BPF_EVENTS), and a kernel that is not locked down for confidentiality`,
    cause: thrown,
  });
}
