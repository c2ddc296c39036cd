/**
 * The simulated kernel's part of egress: maps and programs of bpf(2), which live as long as somebody has them open or
 * a cgroup has them attached, the check of each connection, name servers whose answers change, and the programs of
 * tasks that connect. The driver's own control, sets, names and hosts files are the real code.
 */
import { DriverError } from "../../src/base/errors.ts";
import type { MapShape } from "../../src/effects/bpf/bpf.ts";
import { mapTypes } from "../../src/effects/bpf/bpf.ts";
import type { ProgramInfo } from "../../src/effects/bpf/cgroupPrograms.ts";
import {
  entryLayout,
  ipProtocols,
  limitFlags,
  listBits,
  setOf,
} from "../../src/effects/egress/egressEntries.ts";
import {
  egressHooks,
  limitsLayout,
  maxToldPerSecond,
  nothingAllowed,
  storageLayout,
} from "../../src/effects/egress/egressPrograms.ts";
import { refusalLayout } from "../../src/effects/egress/egressRefusal.ts";
import type { NameAnswer } from "../../src/effects/egress/resolveName.ts";
import type { ResolvedHost } from "../../src/effects/names/taskEtcFiles.ts";
import { parseAddress } from "../../src/effects/network/addresses.ts";
import type { BellEvents } from "../../src/effects/plan/bell.ts";
import { monotonic } from "./clock.ts";
import type { KernelObject } from "./descriptors.ts";
import type { Cgroup, Kernel, RunTruth } from "./kernel.ts";
import { Dead, type PluginProcess } from "./pluginProcess.ts";
import type { Life } from "./scheduler.ts";
import { simulated } from "./simulated.ts";

/** What a task with a list of its own asks for, and what no task reaches. */
export const egressOptions = { egress: ["10.0.0.0/8", "api.example.org", "db.example.org"] };
export const egressDenied = ["10.6.6.6"];
const names = ["api.example.org", "db.example.org"];

/** What an operator makes of a task's list. */
const ranges = { listed: "10.0.0.0/8", unlisted: ["192.0.2.0/24", "203.0.113.0/24"] };
export const changedLists: readonly (readonly string[])[] = [
  [],
  [ranges.listed],
  ranges.unlisted,
  names,
  [ranges.listed, ...names],
  [...ranges.unlisted, ...names],
  [...ranges.unlisted, ranges.listed, ...names],
];
const listed = ["10.0.0.1", "10.200.0.9"];
const unlisted = ["192.0.2.9", "203.0.113.7"];
const port = 5432;

class BpfMap {
  readonly id: number;
  readonly type: MapShape["type"];
  readonly maker: Life;
  readonly entries = new Map<string, Buffer>();
  /** Of a ring: what nobody has read yet. */
  readonly records: { readonly taskId: string; readonly bytes: Buffer }[] = [];

  constructor(id: number, type: MapShape["type"], maker: Life) {
    this.id = id;
    this.type = type;
    this.maker = maker;
  }
}

interface BpfProgram extends KernelObject {
  readonly id: number;
  readonly name: string;
  readonly maps: readonly BpfMap[];
}

/** What holds for a task: its own list, or only what no task reaches. */
export type Limited = "listed" | "denied";

/** The programs of a cgroup, by where the kernel runs them. */
type Attached = Map<number, BpfProgram[]>;

export class Egress {
  /** Called with what must not happen. */
  onWrong: (what: string) => void = () => undefined;
  /** The names in the hosts file of each run, by the run's folder. */
  readonly hosts = new Map<string, readonly ResolvedHost[]>();
  /** The lists of each task that may be in force: several while nobody knows whether a change has been made. */
  readonly #lists = new Map<string, readonly (readonly string[])[]>();
  readonly #kernel: Kernel;
  readonly #current: () => PluginProcess;
  readonly #plugins = new Set<PluginProcess>();
  readonly #attached = new Map<Cgroup, Attached>();
  readonly #bells = new Set<SimulatedBell>();
  #ids = 0;

  /** @param limitsOf undefined for a task that may connect everywhere */
  constructor(
    kernel: Kernel,
    current: () => PluginProcess,
    limitsOf: (taskId: string) => Limited | undefined,
  ) {
    this.#kernel = kernel;
    this.#current = current;
    const folders = new Map<RunTruth, string>();
    const { onBegin, onProgram } = kernel;
    kernel.onBegin = (run, runFolder) => {
      onBegin(run, runFolder);
      folders.set(run, runFolder);
    };
    kernel.onProgram = (run, then) => {
      onProgram(run, then);
      const limits = limitsOf(run.taskId);
      if (limits !== undefined) this.#runProgram(run, limits, folders.get(run) ?? "", then);
    };
    this.#install();
  }

  /** To be called before a change is asked for, and when it is answered. */
  changes(taskId: string, list: readonly string[], isAnswered: boolean): void {
    this.#lists.set(taskId, isAnswered ? [list] : [...this.#listsOf(taskId), list]);
  }

  #listsOf(taskId: string): readonly (readonly string[])[] {
    return this.#lists.get(taskId) ?? [egressOptions.egress];
  }

  /** Whether a task with a list reaches these; undefined if nobody knows. */
  #isListed(taskId: string, kind: "listed" | "unlisted" | "named" | "denied"): boolean | undefined {
    const [unlisted] = ranges.unlisted;
    const [named] = names;
    const entry = { listed: ranges.listed, unlisted, named, denied: "" }[kind] ?? "";
    const answers = new Set(this.#listsOf(taskId).map((list) => list.includes(entry)));
    return answers.size === 1 ? answers.has(true) : undefined;
  }

  /**
   * What runs have had is given back. To be called when all are over, and their plugin lives. In the maps of a plugin
   * that is gone, limits may stay of a start that it did not survive; and what no run needed when it ended goes with
   * the last cgroup that has its programs.
   */
  checkGivenBack(): void {
    const maps = [...new Set(this.#openMaps())];
    for (const { type, maker, entries, id } of maps) {
      if (type === "hash" && !maker.dead && entries.size > 0)
        this.onWrong(`map ${id} has limits of runs that are over`);
      if (type !== "prefixTrie" || !maker.dead) continue;
      const limits = maps.filter((each) => each.type === "hash" && each.maker === maker);
      const used = limits.flatMap((each) =>
        Array.from(each.entries.values(), (value) => value.readBigUInt64LE(limitsLayout.set)),
      );
      if ([...entries.keys()].some((key) => !used.includes(setOf(Buffer.from(key, "hex")))))
        this.onWrong(`map ${id} of a plugin that is gone has sets that no run has`);
    }
  }

  /** A program that connects again and again. */
  #runProgram(
    run: RunTruth,
    limits: Limited,
    runFolder: string,
    then: (ms: number, what: string, step: () => void) => void,
  ): void {
    const { random } = this.#kernel.scheduler;
    const connect = (left: number) => {
      const named = (this.hosts.get(runFolder) ?? []).flatMap((each) => [...each.addresses]);
      const kind = random.pick(["listed", "unlisted", "unlisted", "denied", "named", "named"] as const);
      const addresses = { listed, unlisted, denied: egressDenied, named }[kind];
      const mayConnect = limits === "denied" ? kind !== "denied" : this.#isListed(run.taskId, kind);
      if (addresses.length > 0) this.#connect(run, random.pick(addresses), kind, mayConnect);
      if (left > 0)
        then(random.below(random.chance(30) ? 5_000 : 60), "connects again", () => connect(left - 1));
    };
    then(random.below(20), "connects", () => connect(random.pick([3, 20, 60])));
  }

  /** @param mayConnect undefined if nobody knows */
  #connect(run: RunTruth, address: string, kind: string, mayConnect: boolean | undefined): void {
    const { taskId, task } = run;
    const cgroup = task?.cgroup;
    if (cgroup === undefined || task === undefined) return;
    const isAllowed = this.#mayConnect(cgroup, address, (ring, value) => {
      const refused = this.#kernel.audit.of(taskId);
      const what = `${address}:${port}`;
      refused.kinds.set(what, (refused.kinds.get(what) ?? 0) + 1);
      const program = `/bin/${taskId}`;
      this.#tell(ring, value, taskId, refusalOf(this.#idOf(cgroup), { address, pid: task.pid, program }));
    });
    if (mayConnect === undefined || isAllowed === mayConnect) return;
    this.onWrong(`${taskId}: it ${isAllowed ? "reaches" : "does not reach"} ${address}, which is ${kind}`);
  }

  /** What the attached programs say. @param refuse called if one refuses */
  #mayConnect(cgroup: Cgroup, address: string, refuse: (ring: BpfMap, storage: Buffer) => void): boolean {
    const [{ attachType }] = egressHooks;
    for (const { maps } of this.#attached.get(cgroup)?.get(attachType) ?? []) {
      const storage = mapOf(maps, "cgroupStorage").entries.get(keyOfCgroup(this.#idOf(cgroup)));
      const id = storage?.readBigUInt64LE(storageLayout.cgroup) ?? 0n;
      if (storage === undefined || id === nothingAllowed) return false;
      const limits = mapOf(maps, "hash").entries.get(keyOfCgroup(id));
      if (limits === undefined) return false;
      const set = limits.readBigUInt64LE(limitsLayout.set);
      const flags = limits.readUInt32LE(limitsLayout.flags);
      const keys = Array.from(mapOf(maps, "prefixTrie").entries.keys(), (key) => Buffer.from(key, "hex"));
      const has = (list: number) => keys.some((key) => setOf(key) === set && matches(key, address, list));
      const isDenied = (flags & limitFlags.hasDenied) !== 0 && has(listBits.denied);
      const isListed = (flags & limitFlags.onlyListed) === 0 || has(0);
      if (!isDenied && isListed) continue;
      refuse(mapOf(maps, "ring"), storage);
      return false;
    }
    return true;
  }

  #tell(ring: BpfMap, storage: Buffer, taskId: string, record: Buffer): void {
    const { now } = this.#kernel.scheduler;
    const second = BigInt(Math.floor(now / 1_000));
    if (storage.readBigUInt64LE(storageLayout.second) !== second) {
      storage.writeBigUInt64LE(second, storageLayout.second);
      storage.writeBigUInt64LE(0n, storageLayout.toldInSecond);
    }
    const add = (at: number) => storage.writeBigUInt64LE(storage.readBigUInt64LE(at) + 1n, at);
    add(storageLayout.refused);
    record.writeBigUInt64LE(storage.readBigUInt64LE(storageLayout.refused), refusalLayout.refused);
    record.writeBigUInt64LE(storage.readBigUInt64LE(storageLayout.told), refusalLayout.told);
    record.writeBigUInt64LE(monotonic(now), refusalLayout.time);
    if (storage.readBigUInt64LE(storageLayout.toldInSecond) >= maxToldPerSecond) return;
    add(storageLayout.told);
    add(storageLayout.toldInSecond);
    ring.records.push({ taskId, bytes: record });
    for (const bell of this.#bells) bell.changed(ring);
  }

  #install(): void {
    const define = (module: string, exports: Readonly<Record<string, unknown>>) => {
      for (const [name, value] of Object.entries(exports))
        simulated.functions.set(`${module}#${name}`, value as never);
    };
    const at = (call: string) => this.#enter(call);
    const node = <T>(descriptor: number) => this.#current().fds.get(descriptor) as unknown as T;
    const open = (what: BpfMap | BpfProgram) => this.#current().fds.add(what as never);
    const egress = this;
    class EntryWindow {
      readonly key: Buffer;
      readonly value: Buffer;
      readonly #map: BpfMap;

      constructor(map: number, { keyBytes, valueBytes }: { keyBytes: number; valueBytes: number }) {
        this.#map = node<BpfMap>(map);
        this.key = Buffer.alloc(keyBytes);
        this.value = Buffer.alloc(valueBytes);
      }

      set(expected?: string): void {
        egress.#update(this.#map, this.key, this.value, expected);
      }

      find(): boolean {
        const found = egress.#find(this.#map, this.key);
        if (found !== undefined) this.value.set(found);
        return found !== undefined;
      }

      delete(): void {
        this.#map.entries.delete(this.key.toString("hex"));
      }
    }
    define("effects/bpf/bpf.ts", {
      EntryWindow,
      createMap: ({ type }: MapShape) => {
        at("bpf create");
        return open(new BpfMap(++this.#ids, type, this.#current().life));
      },
      setEntries: (map: number, keys: readonly Uint8Array[], value: Uint8Array) => {
        for (const key of keys) this.#update(node<BpfMap>(map), key, value);
      },
      deleteEntries: (map: number, keys: readonly Uint8Array[]) => {
        for (const key of keys) node<BpfMap>(map).entries.delete(hexOf(key));
      },
      deleteEntry: (map: number, key: Uint8Array) => void node<BpfMap>(map).entries.delete(hexOf(key)),
      findEntry: (map: number, key: Uint8Array) => {
        const found = this.#find(node<BpfMap>(map), key);
        return found && Buffer.from(found);
      },
      keysOf: (map: number) => Array.from(node<BpfMap>(map).entries.keys(), (key) => Buffer.from(key, "hex")),
    });
    define("effects/egress/egressPrograms.ts", {
      // The simulated kernel runs no code: it needs the maps only.
      egressProgram: (_hook: unknown, maps: Readonly<Record<string, number>>) => Object.values(maps),
    });
    define("effects/bpf/cgroupPrograms.ts", {
      loadCgroupProgram: ({ bytes }: { bytes: readonly number[] }, name: string) => {
        at("bpf load");
        return open({ id: ++this.#ids, name, maps: bytes.map((map) => node<BpfMap>(map)) });
      },
      attachToCgroup: (folder: number, program: number, attachType: number, mayBeAttached = false) =>
        this.#attach(node<Cgroup>(folder), node<BpfProgram>(program), attachType, mayBeAttached),
      detachFromCgroup: (folder: number, program: number, attachType: number) => {
        const attached = this.#attached.get(node<Cgroup>(folder))?.get(attachType);
        const index = attached?.indexOf(node<BpfProgram>(program)) ?? -1;
        if (index >= 0) attached?.splice(index, 1);
      },
      attachedPrograms: (folder: number, attachType: number) =>
        (this.#attached.get(node<Cgroup>(folder))?.get(attachType) ?? []).map(({ id }) => id),
      openProgram: (id: number) => {
        at("bpf open");
        const found = this.#programs().find((each) => each.id === id);
        return found && open(found);
      },
      openMap: (id: number) => {
        at("bpf open");
        const found = [...this.#maps()].find((each) => each.id === id);
        return found && open(found);
      },
      programInfo: (program: number): ProgramInfo => {
        const { id, name, maps } = node<BpfProgram>(program);
        return { id, name, mapIds: maps.map((map) => map.id) };
      },
      mapInfo: (map: number) => {
        const { id, type } = node<BpfMap>(map);
        return { id, type: mapTypes[type] };
      },
    });
    define("effects/egress/egressMaps.ts", {
      checkSocketCgroups: () => undefined,
      keepHooksOn: () => undefined,
    });
    define("effects/kernel/pageSize.ts", { pageSize: () => 4_096 });
    define("effects/bpf/ring.ts", { Ring: this.#ringClass() });
    define("effects/plan/bell.ts", { Bell: this.#bellClass() });
    define("effects/egress/resolveName.ts", { resolveName: (name: string) => this.#resolve(name) });
    define("effects/names/taskEtcFiles.ts", {
      nameServersIn: () => [],
      readHosts: (path: string) => {
        const resolved = this.hosts.get(path.slice(0, path.lastIndexOf("/"))) ?? [];
        return resolved
          .flatMap(({ name, addresses }) => addresses.map((each) => `${each} ${name}\n`))
          .join("");
      },
      rewriteHosts: (path: string, _names: unknown, resolved: readonly ResolvedHost[]) => {
        const runFolder = path.slice(0, path.lastIndexOf("/"));
        try {
          this.#current().enter("write file", path);
        } catch (thrown) {
          // What is in the file now may soon be out of date.
          if (!(thrown instanceof Dead)) this.hosts.delete(runFolder);
          throw thrown;
        }
        this.hosts.set(runFolder, resolved);
      },
    });
  }

  #enter(call: string): void {
    this.#plugins.add(this.#current());
    try {
      this.#current().enter(call);
    } catch (thrown) {
      const { code } = thrown as NodeJS.ErrnoException;
      if (code === undefined) throw thrown;
      throw new DriverError("KERNEL_CALL_FAILED", `${call} failed`, { failed: { call, errno: code } });
    }
  }

  #update(map: BpfMap, key: Uint8Array, value: Uint8Array, expected?: string): void {
    this.#enter("bpf update");
    const text = hexOf(key);
    // The kernel makes the storage of a cgroup when a program is attached to it.
    if (map.type === "cgroupStorage" && !this.#hasStorage(map, text)) {
      if (expected === "ENOENT") return;
      throw new DriverError("KERNEL_CALL_FAILED", "bpf failed", { failed: { call: "bpf", errno: "ENOENT" } });
    }
    map.entries.set(text, Buffer.from(value));
  }

  #find(map: BpfMap, key: Uint8Array): Buffer | undefined {
    this.#living();
    return map.entries.get(hexOf(key));
  }

  #hasStorage(map: BpfMap, key: string): boolean {
    return [...this.#living()].some(
      ([cgroup, attached]) =>
        keyOfCgroup(this.#idOf(cgroup)) === key &&
        [...attached.values()].some((programs) => programs.some(({ maps }) => maps.includes(map))),
    );
  }

  #attach(cgroup: Cgroup, program: BpfProgram, attachType: number, mayBeAttached: boolean): boolean {
    this.#enter("bpf attach");
    const attached: Attached = this.#attached.get(cgroup) ?? new Map<number, BpfProgram[]>();
    this.#attached.set(cgroup, attached);
    const programs = attached.get(attachType) ?? [];
    attached.set(attachType, programs);
    if (programs.includes(program)) {
      if (mayBeAttached) return false;
      throw new DriverError("KERNEL_CALL_FAILED", "bpf failed", { failed: { call: "bpf", errno: "EINVAL" } });
    }
    programs.push(program);
    const storage = mapOf(program.maps, "cgroupStorage");
    const key = keyOfCgroup(this.#idOf(cgroup));
    if (!storage.entries.has(key)) storage.entries.set(key, Buffer.alloc(storageLayout.bytes));
    return true;
  }

  /** The cgroups that exist, with their programs. What a removed one had attached is gone. */
  #living(): Map<Cgroup, Attached> {
    for (const [cgroup, attached] of this.#attached) {
      if (this.#kernel.cgroups.get(cgroup.path) === cgroup) continue;
      this.#attached.delete(cgroup);
      const key = keyOfCgroup(this.#idOf(cgroup));
      for (const { maps } of [...attached.values()].flat()) mapOf(maps, "cgroupStorage").entries.delete(key);
    }
    return this.#attached;
  }

  /** Programs that are attached, or open in a plugin. */
  #programs(): BpfProgram[] {
    const attached = [...this.#living().values()].flatMap((each) => [...each.values()].flat());
    return [...attached, ...this.#open().filter((each): each is BpfProgram => "maps" in each)];
  }

  #maps(): Set<BpfMap> {
    return new Set([...this.#openMaps(), ...this.#programs().flatMap(({ maps }) => maps)]);
  }

  #openMaps(): BpfMap[] {
    return this.#open().filter((each): each is BpfMap => each instanceof BpfMap);
  }

  #open(): (BpfMap | BpfProgram)[] {
    const nodes = [...this.#plugins].flatMap(({ life, fds }) =>
      life.dead ? [] : fds.numbers.map((number) => fds.get(number) as unknown),
    );
    return nodes.filter(
      (each): each is BpfMap | BpfProgram =>
        each instanceof BpfMap || (each instanceof Object && "maps" in each),
    );
  }

  #idOf(cgroup: Cgroup): bigint {
    return BigInt(this.#kernel.idOf(cgroup));
  }

  #ringClass() {
    const current = this.#current;
    const { audit } = this.#kernel;
    return class {
      readonly #map: BpfMap;

      constructor(map: number) {
        this.#map = current().fds.get(map) as unknown as BpfMap;
      }

      take(max: number): Buffer[] {
        const { life } = current();
        const records = this.#map.records.splice(0, max);
        for (const { taskId } of records) {
          const refused = audit.of(taskId);
          if (!refused.isOver) refused.heard.set(life, (refused.heard.get(life) ?? 0) + 1);
        }
        return records.map(({ bytes }) => bytes);
      }

      [Symbol.dispose](): void {}
    };
  }

  #bellClass() {
    const bells = this.#bells;
    const current = this.#current;
    return class extends SimulatedBell {
      constructor(_what: string, _runnerFolder: unknown, events: BellEvents) {
        super(current(), events, bells);
      }
    };
  }

  /** The answers of the name servers change, and some questions have none. */
  #resolve(name: string): Promise<NameAnswer> {
    const { scheduler } = this.#kernel;
    const { random } = scheduler;
    const { life } = this.#current();
    const answer = Promise.withResolvers<NameAnswer>();
    const slow = random.chance(5) ? 7_000 : scheduler.latency();
    scheduler.in(slow, life, `gets an answer for ${name}`, () => {
      if (random.chance(15)) return answer.reject(new Error("the name server failed (SERVFAIL)"));
      const address = () => `198.51.100.${10 * names.indexOf(name) + random.below(6)}`;
      const addresses = [...new Set(Array.from({ length: 1 + random.below(3) }, address))];
      answer.resolve({ addresses, unused: 0, ttlMs: random.pick([0, 1_000, 60_000]) });
    });
    return answer.promise;
  }
}

/** Tells a plugin that a ring has records, once for each answer of the plugin. */
class SimulatedBell {
  readonly #plugin: PluginProcess;
  readonly #events: BellEvents;
  readonly #all: Set<SimulatedBell>;
  readonly #rings = new Set<BpfMap>();
  #isListening = true;

  constructor(plugin: PluginProcess, events: BellEvents, all: Set<SimulatedBell>) {
    this.#plugin = plugin;
    this.#events = events;
    this.#all = all;
    all.add(this);
  }

  add(ring: number): void {
    const map = this.#plugin.fds.get(ring) as unknown as BpfMap;
    this.#rings.add(map);
    this.changed(map);
  }

  listen(): void {
    this.#isListening = true;
    for (const ring of this.#rings) this.changed(ring);
  }

  changed(ring: BpfMap): void {
    const { life, scheduler } = this.#plugin;
    if (!this.#isListening || !this.#rings.has(ring) || ring.records.length === 0 || life.dead) return;
    this.#isListening = false;
    scheduler.in(scheduler.latency(), life, "the bell rings", () => {
      if (this.#all.has(this)) this.#events.onRing();
    });
  }

  [Symbol.dispose](): void {
    this.#all.delete(this);
  }
}

function mapOf(maps: readonly BpfMap[], type: MapShape["type"]): BpfMap {
  return maps.find((each) => each.type === type) as BpfMap;
}

/** Whether an entry is for the address, as the kernel's trie of prefixes finds it. */
function matches(key: Buffer, address: string, list: number): boolean {
  const range = parseAddress(address);
  const keyPort = key.readUInt16BE(entryLayout.port);
  const isSame =
    key.readUInt8(entryLayout.list) === list &&
    key.readUInt8(entryLayout.protocol) === ipProtocols.tcp &&
    (keyPort === 0 || keyPort === port);
  if (!isSame || range === undefined) return false;
  const bits = key.readUInt32LE(entryLayout.prefixBits) - (entryLayout.address - entryLayout.set) * 8 - 96;
  const own = Buffer.from(range.address).readUInt32BE();
  const prefix = key.readUInt32BE(entryLayout.address + 12);
  return bits === 0 || own >>> (32 - bits) === prefix >>> (32 - bits);
}

function refusalOf(
  cgroup: bigint,
  { address, pid, program }: { readonly address: string; readonly pid: number; readonly program: string },
): Buffer {
  const record = Buffer.alloc(refusalLayout.bytes);
  record.writeBigUInt64LE(cgroup, refusalLayout.cgroup);
  record.writeUInt32LE(pid, refusalLayout.pid);
  record.writeUInt16BE(port, refusalLayout.port);
  record.writeUInt8(ipProtocols.tcp, refusalLayout.protocol);
  record.fill(0xff, refusalLayout.address + 10, refusalLayout.address + 12);
  record.set(parseAddress(address)?.address ?? [], refusalLayout.address + 12);
  record.write(program.slice(-15), refusalLayout.program);
  return record;
}

function keyOfCgroup(id: bigint): string {
  const key = Buffer.alloc(8);
  key.writeBigUInt64LE(id);
  return key.toString("hex");
}

function hexOf(key: Uint8Array): string {
  return Buffer.from(key).toString("hex");
}
