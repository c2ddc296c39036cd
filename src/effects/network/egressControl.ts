/**
 * Limits where tasks may connect, by BPF programs in their cgroups. They are loaded when the first task needs them,
 * and are the same for all tasks. A start attaches them and sets the task's entries; no process is beside the task.
 * They stay in force without this process, and go with the cgroup. A later process finds them by the cgroup.
 */

import { randomInt } from "node:crypto";
import { closeSync } from "node:fs";
import {
  cgroupId,
  deleteEntries,
  deleteEntry,
  findEntry,
  mapTypes,
  setEntries,
  setEntry,
} from "../bpf/bpf.ts";
import {
  attachedPrograms,
  attachToCgroup,
  detachFromCgroup,
  mapInfo,
  openMap,
} from "../bpf/cgroupPrograms.ts";
import { Ring } from "../bpf/ring.ts";
import { pageSize } from "../kernel/pageSize.ts";
import type { EgressRules } from "./egress.ts";
import { Bell } from "./egressBell.ts";
import { egressKeys, entryLayout, limitFlags, limitFlagsOf } from "./egressEntries.ts";
import {
  cgroupKey,
  checkSocketCgroups,
  detachOwn,
  egressUnavailable,
  isKnown,
  keepHooksOn,
  type LoadedProgram,
  loadEgress,
  newStorage,
  openFolder,
  ownPrograms,
  ringBytes,
  sweep,
} from "./egressMaps.ts";
import { type EgressMaps, egressHooks, limitsLayout, storageLayout } from "./egressPrograms.ts";
import { type EgressRefusal, readRefusal, refusalLayout } from "./egressRefusal.ts";

/** Refusals that a turn of the event loop reads, and the pause after a turn. */
const turnRefusals = 256;
const pauseMs = 20;

const present = new Uint8Array(entryLayout.valueBytes).fill(1);

/** A cgroup whose processes may connect only where its rules allow it. */
export interface ConfinedCgroup extends Disposable {
  /**
   * Replaces the rules by a single write. Connections that exist go on.
   * @throws DriverError `EGRESS_UNAVAILABLE`; the rules are then as before
   */
  replace(rules: EgressRules): void;
  /** Number of refusals of this run, told or not; 0 once the cgroup is gone. */
  refused(): number;
  /**
   * Lifts the limits and removes the rules, unless a later run has the cgroup. For the end of the run: when only
   * this process ends, the limits have to stay.
   */
  [Symbol.dispose](): void;
}

export type OnRefusal = (refusal: EgressRefusal) => void;

/** The maps and programs that one process has loaded. */
interface Loaded {
  readonly maps: EgressMaps;
  readonly ringId: number;
  readonly ring: Ring;
}

interface Confined {
  readonly cgroup: string;
  readonly id: bigint;
  readonly loaded: Loaded;
  readonly onlyListed: boolean;
  /** The keys of its set; undefined if another process has set them. */
  keys: readonly Uint8Array[] | undefined;
  /** Refusals that were not told, so far. */
  untold: number;
  readonly onRefusal: OnRefusal;
}

export interface EgressControlOptions {
  /** As of `spawnPlan`. */
  readonly runnerFolder: string | undefined;
  /** Why refusals are not told at the moment; undefined if they are. Limits hold all the same. */
  onProblem(reason: string | undefined): void;
}

export class EgressControl implements Disposable {
  readonly #options: EgressControlOptions;
  readonly #opened = new DisposableStack();
  /** By the id of its ring. */
  readonly #loaded = new Map<number, Loaded>();
  readonly #confined = new Map<bigint, Confined>();
  #own: { readonly loaded: Loaded; readonly programs: readonly LoadedProgram[] } | undefined;
  #bell: Bell | undefined;
  #pause: NodeJS.Timeout | undefined;
  #sets = randomInt(2 ** 31);

  constructor(options: EgressControlOptions) {
    this.#options = options;
  }

  /**
   * Limits where the processes of a cgroup and of those below it connect, in place of an earlier run's limits. To
   * be called before anything of the run is in the cgroup: sockets that exist keep what they may.
   * @throws DriverError `EGRESS_UNAVAILABLE`; no limits are set then
   */
  confine(cgroup: string, rules: EgressRules, onRefusal: OnRefusal): ConfinedCgroup {
    try {
      return this.#confine(cgroup, rules, onRefusal);
    } catch (thrown) {
      throw egressUnavailable(thrown);
    }
  }

  /**
   * Takes over the limits that an earlier process has set, without a change.
   * @returns undefined if the cgroup has none that are complete
   * @throws DriverError `EGRESS_UNAVAILABLE`
   */
  adopt(cgroup: string, onRefusal: OnRefusal): ConfinedCgroup | undefined {
    try {
      using folder = openFolder(cgroup);
      const loaded = this.#find(folder.descriptor);
      if (loaded === undefined) return undefined;
      const id = cgroupId(cgroup);
      const limits = findEntry(loaded.maps.limits, cgroupKey(id), limitsLayout.bytes);
      const storage = findEntry(loaded.maps.storage, cgroupKey(id), storageLayout.bytes);
      if (
        limits === undefined ||
        storage === undefined ||
        storage.readBigUInt64LE(storageLayout.cgroup) !== id
      )
        return undefined;
      const onlyListed = (limits.readUInt32LE(limitsLayout.flags) & limitFlags.onlyListed) !== 0;
      const isComplete = egressHooks
        .filter((hook) => onlyListed || !hook.onlyListed)
        .every((hook) => ownPrograms(folder.descriptor, hook).some(isKnown));
      if (!isComplete) return undefined;
      const untold =
        storage.readBigUInt64LE(storageLayout.refused) - storage.readBigUInt64LE(storageLayout.told);
      return this.#add({
        ...{ cgroup, id, loaded, onlyListed, keys: undefined, onRefusal },
        untold: Number(untold),
      });
    } catch (thrown) {
      throw egressUnavailable(thrown);
    }
  }

  /** Lifts the limits of a cgroup whose run has ended without this process. Never throws. */
  release(cgroup: string): void {
    try {
      using folder = openFolder(cgroup);
      const loaded = this.#find(folder.descriptor);
      detachOwn(folder.descriptor);
      if (loaded !== undefined) sweep(loaded.maps);
    } catch {
      // The cgroup is gone, and the limits with it.
    }
  }

  /** Tells the refusals up to now, at once. */
  settle(): void {
    while (this.#tell() >= turnRefusals);
  }

  /** The limits stay in force. */
  [Symbol.dispose](): void {
    clearTimeout(this.#pause);
    this.#opened.dispose();
    this.#confined.clear();
  }

  #confine(cgroup: string, rules: EgressRules, onRefusal: OnRefusal): ConfinedCgroup {
    this.#own ??= this.#load();
    const { loaded, programs } = this.#own;
    using folder = openFolder(cgroup);
    using undo = new DisposableStack();
    const id = cgroupId(cgroup);
    const onlyListed = rules.allowed !== null;
    const wanted = programs.filter(({ hook }) => onlyListed || !hook.onlyListed);
    // What an earlier run has left is replaced without a gap.
    const isFresh = attachedPrograms(folder.descriptor, egressHooks[0].attachType).length === 0;
    const keys = this.#setRules(loaded, id, rules, undo);
    for (const { hook, program, id } of wanted) {
      const { attachType } = hook;
      if (!isFresh && attachedPrograms(folder.descriptor, attachType).includes(id)) continue;
      attachToCgroup(folder.descriptor, program, attachType);
      undo.defer(() => detachFromCgroup(folder.descriptor, program, attachType));
    }
    setEntry(loaded.maps.storage, cgroupKey(id), newStorage(id));
    undo.move();
    if (!isFresh)
      detachOwn(
        folder.descriptor,
        wanted.map((each) => each.id),
      );
    const before = this.#confined.get(id);
    if (before?.keys !== undefined) deleteEntries(before.loaded.maps.entries, before.keys);
    else if (before !== undefined) sweep(before.loaded.maps);
    return this.#add({ cgroup, id, loaded, onlyListed, keys, untold: 0, onRefusal });
  }

  /** Adds a set of rules, and makes it the one that is in force. */
  #setRules(loaded: Loaded, id: bigint, rules: EgressRules, undo: DisposableStack): Uint8Array[] {
    this.#sets = (this.#sets + 1) % 2 ** 32;
    const keys = egressKeys(rules, { cgroup: id, set: this.#sets });
    using undoEntries = new DisposableStack();
    undoEntries.defer(() => deleteEntries(loaded.maps.entries, keys));
    setEntries(loaded.maps.entries, keys, present);
    const limits = new Uint8Array(new Uint32Array([this.#sets, limitFlagsOf(rules)]).buffer);
    setEntry(loaded.maps.limits, cgroupKey(id), limits);
    undo.use(undoEntries.move());
    return keys;
  }

  #add(confined: Confined): ConfinedCgroup {
    const { id, loaded } = confined;
    this.#confined.set(id, confined);
    const isCurrent = () => this.#confined.get(id) === confined;
    return {
      replace: (rules) => {
        if ((rules.allowed !== null) !== confined.onlyListed)
          throw new TypeError("a list of what a task may reach cannot begin or end while it runs");
        if (!isCurrent()) return;
        try {
          using undo = new DisposableStack();
          const before = confined.keys;
          confined.keys = this.#setRules(loaded, id, rules, undo);
          undo.move();
          if (before === undefined) sweep(loaded.maps);
          else deleteEntries(loaded.maps.entries, before);
        } catch (thrown) {
          throw egressUnavailable(thrown);
        }
      },
      refused: () => {
        if (this.#opened.disposed) return 0;
        const storage = findEntry(loaded.maps.storage, cgroupKey(id), storageLayout.bytes);
        return Number(storage?.readBigUInt64LE(storageLayout.refused) ?? 0n);
      },
      [Symbol.dispose]: () => {
        if (!isCurrent()) return;
        this.#confined.delete(id);
        this.#lift(confined);
      },
    };
  }

  #lift({ cgroup, id, loaded, onlyListed, keys }: Confined): void {
    try {
      using folder = openFolder(cgroup);
      if (loaded !== this.#own?.loaded) detachOwn(folder.descriptor);
      else {
        for (const { hook, program } of this.#own.programs)
          if (onlyListed || !hook.onlyListed) detachFromCgroup(folder.descriptor, program, hook.attachType);
      }
    } catch {
      // The cgroup is gone, and its programs with it.
    }
    if (keys === undefined) sweep(loaded.maps);
    else {
      deleteEntries(loaded.maps.entries, keys);
      deleteEntry(loaded.maps.limits, cgroupKey(id));
    }
  }

  #load(): { readonly loaded: Loaded; readonly programs: readonly LoadedProgram[] } {
    checkSocketCgroups();
    using opened = new DisposableStack();
    const { maps, programs } = loadEgress((descriptor) => opened.adopt(descriptor, closeSync));
    const loaded = this.#know(maps, mapInfo(maps.ring).id, opened);
    keepHooksOn(programs, opened);
    this.#opened.use(opened.move());
    return { loaded, programs };
  }

  /** The maps of the programs that are attached to a cgroup; undefined if none of this layout is. */
  #find(cgroup: number): Loaded | undefined {
    const first = ownPrograms(cgroup, egressHooks[0]).find(isKnown);
    if (first === undefined) return undefined;
    const known = first.mapIds.map((id) => this.#loaded.get(id)).find((each) => each !== undefined);
    if (known !== undefined) return known;
    using opened = new DisposableStack();
    const byType = new Map<number, { readonly map: number; readonly id: number }>();
    for (const id of first.mapIds) {
      const map = openMap(id);
      if (map === undefined) return undefined;
      opened.adopt(map, closeSync);
      byType.set(mapInfo(map).type, { map, id });
    }
    const [storage, limits, entries, ring] = (["cgroupStorage", "hash", "prefixTrie", "ring"] as const).map(
      (type) => byType.get(mapTypes[type]),
    );
    if (!storage || !limits || !entries || !ring) return undefined;
    const maps = { storage: storage.map, limits: limits.map, entries: entries.map, ring: ring.map };
    const loaded = this.#know(maps, ring.id, opened);
    this.#opened.use(opened.move());
    sweep(maps);
    return loaded;
  }

  /** Begins to read a ring. */
  #know(maps: EgressMaps, ringId: number, opened: DisposableStack): Loaded {
    const ring = opened.use(new Ring(maps.ring, ringBytes, pageSize()));
    this.#bell ??= this.#opened.use(
      new Bell(this.#options.runnerFolder, {
        onRing: () => this.#rung(),
        onProblem: (reason) => this.#options.onProblem(reason),
      }),
    );
    this.#bell.add(maps.ring);
    const loaded = { maps, ringId, ring };
    this.#loaded.set(ringId, loaded);
    return loaded;
  }

  /** Tells refusals at once. The bell rings again after a pause at the earliest. */
  #rung(): void {
    if (this.#opened.disposed) return;
    this.#tell();
    this.#pause = setTimeout(() => this.#bell?.listen(), pauseMs).unref();
  }

  /** @returns the greatest number of refusals that a ring had */
  #tell(): number {
    const bootMs = Date.now() - Number(process.hrtime.bigint()) / 1e6;
    let most = 0;
    for (const { ring } of this.#loaded.values()) {
      const records = ring.take(turnRefusals);
      most = Math.max(most, records.length);
      for (const record of records) {
        if (record.length < refusalLayout.bytes) continue;
        const { cgroup, untoldSoFar, refusal } = readRefusal(record, bootMs);
        const confined = this.#confined.get(cgroup);
        if (confined === undefined) continue;
        const untold = Math.max(0, untoldSoFar - confined.untold);
        confined.untold += untold;
        confined.onRefusal({ ...refusal, untold });
      }
    }
    return most;
  }
}
