/**
 * Limits where tasks may connect, by BPF programs in their cgroups. They are loaded when the first task needs them,
 * and are the same for all tasks. A start attaches them and sets the task's entries; no process is beside the task.
 * They stay in force without this process, and go with the cgroup. A later process finds them by the cgroup.
 */

import { closeSync } from "node:fs";
import { mapTypes } from "../bpf/bpf.ts";
import {
  attachedPrograms,
  attachToCgroup,
  detachFromCgroup,
  mapInfo,
  openMap,
} from "../bpf/cgroupPrograms.ts";
import { Ring } from "../bpf/ring.ts";
import { pageSize } from "../kernel/pageSize.ts";
import { Bell } from "../plan/bell.ts";
import type { EgressTerms } from "./egress.ts";
import { limitFlags } from "./egressEntries.ts";
import {
  CgroupEntries,
  checkSocketCgroups,
  detachOwn,
  egressUnavailable,
  isKnown,
  keepHooksOn,
  type LoadedProgram,
  loadEgress,
  openFolder,
  ownPrograms,
  ringBytes,
  sweep,
} from "./egressMaps.ts";
import { type EgressMaps, egressHooks } from "./egressPrograms.ts";
import { type EgressRefusal, readRefusal, refusalLayout } from "./egressRefusal.ts";
import { type HeldSet, RuleSets } from "./egressSets.ts";

/** Refusals that a turn of the event loop reads, and the pause after a turn. */
const turnRefusals = 256;
const pauseMs = 20;

/** After the end of a run whose set another process has made. Runs often end together. */
const sweepAfterMs = 1_000;

/** A cgroup whose processes may connect only where its rules allow it. */
export interface ConfinedCgroup extends Disposable {
  /** Number of changes of the run's list that were in force when this process took the limits over. */
  readonly changes: number;
  /**
   * Replaces the rules by a single write. Connections that exist go on.
   * @param changes of the run's list that the rules contain
   * @throws DriverError `EGRESS_UNAVAILABLE`; the rules are then as before
   */
  replace(terms: EgressTerms, changes: number): void;
  /** Number of refusals of this run, told or not; 0 once the cgroup is gone. */
  refused(): number;
  /**
   * Refuses all, and gives the rules back, unless a later run has the cgroup. For the end of the run: a process of
   * another task may have one of its sockets, which the kernel judges by the cgroup in which it was made, even when
   * that is removed. When only this process ends, the limits have to stay.
   */
  [Symbol.dispose](): void;
}

export type OnRefusal = (refusal: EgressRefusal) => void;

/** The maps and programs that one process has loaded. */
interface Loaded {
  readonly maps: EgressMaps;
  readonly cgroups: CgroupEntries;
  readonly sets: RuleSets;
  readonly ringId: number;
  readonly ring: Ring;
}

interface Confined {
  readonly id: bigint;
  readonly loaded: Loaded;
  readonly onlyListed: boolean;
  /** Undefined if another process has made its set. */
  set: HeldSet | undefined;
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
  /** What is to be swept. */
  readonly #left = new Set<Loaded>();
  #sweeping: NodeJS.Timeout | undefined;

  constructor(options: EgressControlOptions) {
    this.#options = options;
  }

  /**
   * Limits where the processes of a cgroup and of those below it connect, in place of an earlier run's limits. To
   * be called before anything of the run is in the cgroup: sockets that exist keep what they may.
   * @param changes of the run's list that the terms contain
   * @throws DriverError `EGRESS_UNAVAILABLE`; no limits are set then
   */
  confine(cgroup: string, terms: EgressTerms, onRefusal: OnRefusal, changes = 0): ConfinedCgroup {
    try {
      return this.#confine(cgroup, terms, onRefusal, changes);
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
      const { id } = folder;
      const limits = loaded.cgroups.limitsOf(id);
      const refusals = loaded.cgroups.refusals(id);
      if (limits === undefined || refusals === undefined) return undefined;
      const { flags, changes } = limits;
      const onlyListed = (flags & limitFlags.onlyListed) !== 0;
      const isComplete = egressHooks
        .filter((hook) => onlyListed || !hook.onlyListed)
        .every((hook) => ownPrograms(folder.descriptor, hook).some(isKnown));
      if (!isComplete) return undefined;
      const untold = refusals.refused - refusals.told;
      return this.#add({ id, loaded, onlyListed, set: undefined, untold, onRefusal }, changes);
    } catch (thrown) {
      throw egressUnavailable(thrown);
    }
  }

  /**
   * Refuses all to a cgroup whose run has ended without this process. Programs of another version of the driver keep
   * the run's limits. Never throws.
   */
  release(cgroup: string): void {
    try {
      using folder = openFolder(cgroup);
      // A later run says for itself what it may.
      if (this.#confined.has(folder.id)) return;
      const loaded = this.#find(folder.descriptor);
      if (loaded === undefined) return;
      loaded.cgroups.end(folder.id);
      this.#sweepSoon(loaded);
    } catch {
      // The cgroup is gone; its programs hold for the sockets that are left. Nobody knows which maps have its entries.
      for (const loaded of this.#loaded.values()) this.#sweepSoon(loaded);
    }
  }

  /** Lets a run without limits have a cgroup in which an earlier run had some. */
  free(cgroup: string): void {
    try {
      using folder = openFolder(cgroup);
      detachOwn(folder.descriptor);
    } catch (thrown) {
      throw egressUnavailable(thrown);
    }
  }

  /** Tells the refusals up to now, at once. */
  settle(): void {
    while (this.#tell() >= turnRefusals);
  }

  /** The limits stay in force. */
  [Symbol.dispose](): void {
    clearTimeout(this.#pause);
    clearTimeout(this.#sweeping);
    this.#opened.dispose();
    this.#confined.clear();
  }

  #confine(cgroup: string, terms: EgressTerms, onRefusal: OnRefusal, changes: number): ConfinedCgroup {
    this.#own ??= this.#load();
    const { loaded, programs } = this.#own;
    using folder = openFolder(cgroup);
    using undo = new DisposableStack();
    const { id } = folder;
    const onlyListed = terms.egress !== undefined;
    const attached = attachedPrograms(folder.descriptor, egressHooks[0].attachType);
    const own = programs.map((each) => each.id);
    // The programs of this process's earlier run are still attached.
    const isAttached = attached.some((each) => own.includes(each));
    const set = undo.use(loaded.sets.hold(terms));
    loaded.cgroups.setLimits(id, set, changes);
    undo.defer(() => loaded.cgroups.forget(id));
    const needed = programs.filter(({ hook }) => onlyListed || !hook.onlyListed);
    // They are attached in their order, so with the last one, all of them are.
    const last = needed.at(-1);
    const areAttached =
      isAttached &&
      last !== undefined &&
      attachedPrograms(folder.descriptor, last.hook.attachType).includes(last.id);
    const attach = ({ hook: { attachType }, program }: LoadedProgram) => {
      if (attachToCgroup(folder.descriptor, program, attachType, isAttached))
        undo.defer(() => detachFromCgroup(folder.descriptor, program, attachType));
    };
    const [first, ...others] = areAttached ? [] : needed;
    if (first !== undefined) attach(first);
    // The programs refuse all connections until this.
    loaded.cgroups.begin(id);
    undo.defer(() => loaded.cgroups.end(id));
    for (const each of others) attach(each);
    // What another process's run has left is replaced without a gap.
    if (attached.some((each) => !own.includes(each))) detachOwn(folder.descriptor, own);
    undo.move();
    const before = this.#confined.get(id);
    if (before !== undefined) this.#giveBack(before);
    return this.#add({ id, loaded, onlyListed, set, untold: 0, onRefusal }, changes);
  }

  /** Gives back the set of a run. */
  #giveBack({ loaded, set }: Confined): void {
    if (set === undefined) this.#sweepSoon(loaded);
    else set[Symbol.dispose]();
  }

  #sweepSoon(loaded: Loaded): void {
    this.#left.add(loaded);
    this.#sweeping ??= setTimeout(() => this.#sweep(), sweepAfterMs).unref();
  }

  #sweep(): void {
    this.#sweeping = undefined;
    for (const { maps, sets } of this.#left) sweep(maps, sets.numbers);
    this.#left.clear();
  }

  #add(confined: Confined, changes: number): ConfinedCgroup {
    const { id, loaded } = confined;
    this.#confined.set(id, confined);
    const isCurrent = () => this.#confined.get(id) === confined;
    return {
      changes,
      replace: (terms, contained) => {
        if ((terms.egress !== undefined) !== confined.onlyListed)
          throw new TypeError("a list of what a task may reach cannot begin or end while it runs");
        if (!isCurrent()) return;
        try {
          using undo = new DisposableStack();
          const set = undo.use(loaded.sets.hold(terms));
          loaded.cgroups.setLimits(id, set, contained);
          undo.move();
          this.#giveBack(confined);
          confined.set = set;
        } catch (thrown) {
          throw egressUnavailable(thrown);
        }
      },
      refused: () => {
        if (this.#opened.disposed) return 0;
        return loaded.cgroups.refusals(id)?.refused ?? 0;
      },
      [Symbol.dispose]: () => {
        if (!isCurrent()) return;
        this.#confined.delete(id);
        try {
          loaded.cgroups.end(id);
        } finally {
          this.#giveBack(confined);
        }
      },
    };
  }

  #load(): { readonly loaded: Loaded; readonly programs: readonly LoadedProgram[] } {
    checkSocketCgroups();
    using opened = new DisposableStack();
    const { maps, programs } = loadEgress((descriptor) => opened.adopt(descriptor, closeSync));
    const loaded = this.#know(maps, mapInfo(maps.ring).id, opened, true);
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
    const loaded = this.#know(maps, ring.id, opened, false);
    this.#opened.use(opened.move());
    this.#sweepSoon(loaded);
    return loaded;
  }

  /** Begins to read a ring. @param isOwn whether this process has loaded the maps */
  #know(maps: EgressMaps, ringId: number, opened: DisposableStack, isOwn: boolean): Loaded {
    const ring = opened.use(new Ring(maps.ring, ringBytes, pageSize()));
    this.#bell ??= this.#opened.use(
      new Bell("refused connections", this.#options.runnerFolder, {
        onRing: () => this.#rung(),
        onProblem: (reason) => this.#options.onProblem(reason),
      }),
    );
    this.#bell.add(maps.ring);
    const sets = new RuleSets(maps.entries, isOwn);
    const loaded = { maps, cgroups: new CgroupEntries(maps), sets, ringId, ring };
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
    for (const loaded of this.#loaded.values()) {
      const records = loaded.ring.take(turnRefusals);
      most = Math.max(most, records.length);
      for (const record of records) {
        if (record.length < refusalLayout.bytes) continue;
        const { cgroup, untoldSoFar, refusal } = readRefusal(record, bootMs);
        const confined = this.#confined.get(cgroup);
        // An earlier plugin's ring may still have refusals of the run that had the cgroup before.
        if (confined?.loaded !== loaded) continue;
        const untold = Math.max(0, untoldSoFar - confined.untold);
        confined.untold += untold;
        confined.onRefusal({ ...refusal, untold });
      }
    }
    return most;
  }
}
