/** The programs and maps of egressPrograms.ts in the kernel: loading and finding them, and their entries. */
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
} from "node:fs";
import { release } from "node:os";
import { join } from "node:path";
import { DriverError, messageOf } from "../../base/errors.ts";
import {
  createMap,
  deleteEntries,
  deleteEntry,
  EntryWindow,
  findEntry,
  keysOf,
  type MapShape,
} from "../bpf/bpf.ts";
import {
  attachedPrograms,
  detachFromCgroup,
  linkToCgroup,
  loadCgroupProgram,
  openProgram,
  type ProgramInfo,
  programInfo,
} from "../bpf/cgroupPrograms.ts";
import { cgroupOf } from "../kernel/kernelFiles.ts";
import { mountPoints } from "../paths/mountinfo.ts";
import { entryLayout, setOf } from "./egressEntries.ts";
import {
  type EgressHook,
  type EgressMaps,
  egressHooks,
  egressProgram,
  limitsLayout,
  nothingAllowed,
  storageLayout,
} from "./egressPrograms.ts";

/** The programs' name, with the number of the maps' layout: other numbers are of other versions of the driver. */
const programName = "exec2_egress3";

/** Memory for refusals that nobody has read yet. */
export const ringBytes = 256 * 1024;

/** Bounds only: the kernel allocates an entry when it is set. */
const maxEntries = 2 ** 24;
const maxCgroups = 2 ** 14;

/** A loaded program, by its descriptor. */
export interface LoadedProgram {
  readonly hook: EgressHook;
  readonly program: number;
  readonly id: number;
}

/**
 * Makes maps, and loads the programs.
 * @param own closes a descriptor later
 * @throws DriverError `KERNEL_CALL_FAILED`
 */
export function loadEgress(own: (descriptor: number) => number): {
  readonly maps: EgressMaps;
  readonly programs: readonly LoadedProgram[];
} {
  const make = (type: MapShape["type"], keyBytes: number, valueBytes: number, entries: number) =>
    own(createMap({ type, keyBytes, valueBytes, entries }));
  const maps = {
    storage: make("cgroupStorage", 8, storageLayout.bytes, 0),
    limits: make("hash", 8, limitsLayout.bytes, maxCgroups),
    entries: make("prefixTrie", entryLayout.bytes, entryLayout.valueBytes, maxEntries),
    ring: make("ring", 0, 0, ringBytes),
  };
  const programs = egressHooks.map((hook) => {
    const program = own(loadCgroupProgram({ ...hook, bytes: egressProgram(hook, maps) }, programName));
    return { hook, program, id: programInfo(program).id };
  });
  return { maps, programs };
}

/**
 * Attaches the programs to an empty cgroup of this process. While none of a kind is attached anywhere, the kernel
 * has the calls for this kind patched out of its code, and to patch them in or out takes a tenth of a millisecond
 * on every processor. So the first task's start pays for this, and not each start on a node with few tasks. The
 * programs leave with this process; without the cgroup, starts only take longer.
 * @param opened closes what was opened, and removes the cgroup
 */
export function keepHooksOn(programs: readonly LoadedProgram[], opened: DisposableStack): void {
  try {
    const [mount] = mountPoints(readFileSync("/proc/self/mountinfo", "utf8"), "cgroup2");
    const path = cgroupOf("self");
    if (mount === undefined || path === undefined) return;
    const parent = join(mount, path);
    removeLeftHolders(parent);
    const holder = join(parent, `${holderPrefix}${process.pid}`);
    mkdirSync(holder);
    opened.defer(() => tryToRemove(holder));
    using folder = openFolder(holder);
    for (const { hook, program } of programs)
      opened.adopt(linkToCgroup(folder.descriptor, program, hook.attachType), closeSync);
  } catch {
    // The plugin may be in a container whose cgroups it cannot change.
  }
}

const holderPrefix = "exec2-hooks-";
const anyHolder = /^exec2-hooks-(\d+)$/;

/** Removes the cgroups that killed plugins have left. */
function removeLeftHolders(parent: string): void {
  for (const name of readdirSync(parent)) {
    const pid = anyHolder.exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) tryToRemove(join(parent, name));
  }
}

function tryToRemove(cgroup: string): void {
  try {
    rmdirSync(cgroup);
  } catch {
    // Another plugin has removed it.
  }
}

/**
 * Why this host cannot limit where tasks connect, as a sentence without its full stop; undefined if it can. Loads
 * the programs, and attaches them to nothing.
 * @param mount where cgroup v2 is mounted; undefined if it is not
 */
export function findEgressProblem(mount: string | undefined): string | undefined {
  using opened = new DisposableStack();
  try {
    if (mount === undefined) throw new RangeError("cgroup v2 is not mounted");
    checkSocketCgroups();
    loadEgress((descriptor) => opened.adopt(descriptor, closeSync));
    return undefined;
  } catch (thrown) {
    return messageOf(egressUnavailable(thrown));
  }
}

/** A cgroup's folder, and the id by which programs know the cgroup. @throws Error as fs functions do */
export function openFolder(
  cgroup: string,
): { readonly descriptor: number; readonly id: bigint } & Disposable {
  const descriptor = openSync(cgroup, constants.O_RDONLY | constants.O_DIRECTORY);
  // cgroupfs numbers its folders from 1, so a number holds each.
  const id = BigInt(fstatSync(descriptor).ino);
  return { descriptor, id, [Symbol.dispose]: () => closeSync(descriptor) };
}

/** The driver's programs among those that are attached to a cgroup. @param cgroup descriptor of its folder */
export function ownPrograms(cgroup: number, { attachType }: EgressHook): ProgramInfo[] {
  return attachedPrograms(cgroup, attachType)
    .flatMap((id) => withProgram(id, programInfo) ?? [])
    .filter(isOwn);
}

/**
 * Detaches those of the driver's programs whose ids are not kept. The first hook is the last, as it is the first when
 * they are attached: a cgroup without a program there has none.
 */
export function detachOwn(cgroup: number, keptIds: readonly number[] = []): void {
  for (const { attachType } of egressHooks.toReversed()) {
    for (const id of attachedPrograms(cgroup, attachType)) {
      if (keptIds.includes(id)) continue;
      withProgram(id, (program) => {
        if (isOwn(programInfo(program))) detachFromCgroup(cgroup, program, attachType);
      });
    }
  }
}

function isOwn({ name }: ProgramInfo): boolean {
  return /^exec2_egress\d+$/.test(name);
}

/** Whether this version of the driver knows the layout of a program's maps. */
export function isKnown({ name }: ProgramInfo): boolean {
  return name === programName;
}

function withProgram<T>(id: number, use: (program: number) => T): T | undefined {
  const program = openProgram(id);
  if (program === undefined) return undefined;
  try {
    return use(program);
  } finally {
    closeSync(program);
  }
}

/** What the programs know of each cgroup. */
export class CgroupEntries {
  readonly #limits: EntryWindow;
  readonly #storage: EntryWindow;

  constructor({ limits, storage }: EgressMaps) {
    this.#limits = new EntryWindow(limits, { keyBytes: 8, valueBytes: limitsLayout.bytes });
    this.#storage = new EntryWindow(storage, { keyBytes: 8, valueBytes: storageLayout.bytes });
  }

  /** @throws DriverError `KERNEL_CALL_FAILED` */
  setLimits(
    cgroup: bigint,
    { number, flags }: { readonly number: bigint; readonly flags: number },
    changes: number,
  ): void {
    const { key, value } = this.#limits;
    key.writeBigUInt64LE(cgroup);
    value.writeBigUInt64LE(number, limitsLayout.set);
    value.writeUInt32LE(flags, limitsLayout.flags);
    value.writeUInt32LE(changes, limitsLayout.changes);
    this.#limits.set();
  }

  /** What a cgroup's limits say besides their set; undefined if it has none. */
  limitsOf(cgroup: bigint): { readonly flags: number; readonly changes: number } | undefined {
    const { key, value } = this.#limits;
    key.writeBigUInt64LE(cgroup);
    if (!this.#limits.find()) return undefined;
    const [flags = 0, changes = 0] = [limitsLayout.flags, limitsLayout.changes].map((at) =>
      value.readUInt32LE(at),
    );
    return { flags, changes };
  }

  /** Puts a cgroup's limits in force. @throws DriverError `KERNEL_CALL_FAILED` if no program is attached to it */
  begin(cgroup: bigint): void {
    this.#store(cgroup, cgroup);
  }

  /**
   * Refuses all to a cgroup, if its programs are attached, and deletes its limits.
   * @throws DriverError `KERNEL_CALL_FAILED`; the limits are deleted all the same
   */
  end(cgroup: bigint): void {
    try {
      this.#store(cgroup, nothingAllowed, "ENOENT");
    } finally {
      this.forget(cgroup);
    }
  }

  /** Deletes the limits of a cgroup. Without them, its programs refuse all. */
  forget(cgroup: bigint): void {
    this.#limits.key.writeBigUInt64LE(cgroup);
    this.#limits.delete();
  }

  /** The numbers of a cgroup's refusals, and of those that were told; undefined if no limits of it are in force. */
  refusals(cgroup: bigint): { readonly refused: number; readonly told: number } | undefined {
    const { key, value } = this.#storage;
    key.writeBigUInt64LE(cgroup);
    if (!this.#storage.find() || value.readBigUInt64LE(storageLayout.cgroup) !== cgroup) return undefined;
    const [refused, told] = [storageLayout.refused, storageLayout.told].map((at) =>
      value.readBigUInt64LE(at),
    );
    return { refused: Number(refused), told: Number(told) };
  }

  #store(cgroup: bigint, state: bigint, expected?: string): void {
    const { key, value } = this.#storage;
    key.writeBigUInt64LE(cgroup);
    value.fill(0).writeBigUInt64LE(state, storageLayout.cgroup);
    this.#storage.set(expected);
  }
}

/**
 * Removes what no cgroup has any more: limits of cgroups that are gone, and sets whose keys this process does not
 * know because another one has made them.
 * @param kept numbers of the sets that this process has made
 */
export function sweep(maps: EgressMaps, kept: ReadonlySet<bigint>): void {
  const sets = new Set(kept);
  for (const key of keysOf(maps.limits, 8)) {
    const limits = findEntry(maps.limits, key, limitsLayout.bytes);
    // As long as there is a socket of a removed cgroup, the kernel keeps the cgroup's storage.
    const isThere = findEntry(maps.storage, key, storageLayout.bytes) !== undefined;
    if (limits !== undefined && isThere) sets.add(limits.readBigUInt64LE(limitsLayout.set));
    else deleteEntry(maps.limits, key);
  }
  const isLeft = (key: Buffer) => !sets.has(setOf(key));
  deleteEntries(maps.entries, keysOf(maps.entries, entryLayout.bytes).filter(isLeft));
}

/**
 * Before Linux 5.15, a use of the controllers net_cls or net_prio of cgroups v1 takes new sockets out of their
 * cgroups v2, without a word.
 * @throws DriverError `UNSUPPORTED`
 */
export function checkSocketCgroups(): void {
  const [major = 0, minor = 0] = release().split(".").map(Number);
  if (major > 5 || (major === 5 && minor >= 15)) return;
  const mounts = readFileSync("/proc/self/mountinfo", "utf8");
  if (!/ - cgroup .*\bnet_(?:cls|prio)\b/.test(mounts)) return;
  throw new DriverError(
    "UNSUPPORTED",
    "before Linux 5.15, sockets leave their cgroups when net_cls or net_prio is used, and these are mounted",
    { hint: "Boot with cgroup_no_v1=net_cls,net_prio, or use a newer kernel" },
  );
}

/** Why the limits cannot be set on this host, as a DriverError. */
export function egressUnavailable(thrown: unknown): DriverError {
  const isCall = thrown instanceof DriverError;
  const why = isCall
    ? thrown.code === "UNSUPPORTED"
      ? `: ${thrown.message}`
      : ""
    : `: ${messageOf(thrown)}`;
  return new DriverError("EGRESS_UNAVAILABLE", `this host cannot limit where tasks connect${why}`, {
    ...(isCall && thrown.failed !== undefined && { failed: thrown.failed }),
    hint: "It takes cgroup v2, bpf(2) with programs for cgroups (CONFIG_CGROUP_BPF), and a driver that runs as root outside of containers. Without egress and egress_denied the task starts unlimited",
    cause: thrown,
  });
}
