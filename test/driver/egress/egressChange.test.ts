/** A change of a running task's egress: recorded, then in force; and what a plugin finds after one that died between. */
import { readFileSync, writeFileSync } from "node:fs";
import { expect, it, onTestFinished, vi } from "vitest";
import { DriverError } from "../../../src/base/errors.ts";
import type { RunDenials } from "../../../src/driver/denials/runDenials.ts";
import { NameBook } from "../../../src/driver/egress/nameBook.ts";
import { RunEgress } from "../../../src/driver/egress/runEgress.ts";
import type { EgressTerms } from "../../../src/effects/egress/egress.ts";
import { addressesIn } from "../../../src/effects/egress/resolveName.ts";
import { runFiles } from "../../../src/effects/run/runFiles.ts";
import type { ResolvedName } from "../../../src/machines/events/names.ts";
import { type EventData, type EventType, type TaskEvent, taskEvent } from "../../../src/machines/events.ts";
import { fold, step, type TaskSnapshot } from "../../../src/machines/taskMachine.ts";
import { sampleData } from "../../support/history/history.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { recordingLogger } from "../../support/recordingLogger.ts";

/** What the kernel has, which outlives plugins. */
interface Kernel {
  list: readonly string[] | undefined;
  names: ReadonlyMap<string, readonly string[]>;
  changes: number;
  /** Refuses this many writes. */
  refusals: number;
}

const addresses: Readonly<Record<string, string>> = {
  "db.example.org": "198.51.100.1",
  "new.example.org": "198.51.100.2",
};
const byWhom = { by: "root", reason: "ticket" };
const edit = (given: object) => ({ set: undefined, add: [], remove: [], ...given });

function startedWith(
  list: readonly string[],
  more: readonly TaskEvent[] = [],
  { names = [] as ResolvedName[], runFolder = "", extraHosts = [] as string[] } = {},
): TaskEvent[] {
  const egress = { allowed: [...list], denied: ["192.0.2.66"], names };
  return [
    taskEvent("requested", 1, {
      ...sampleData("requested"),
      options: { command: "sh", args: [], egress: [...list], extra_hosts: extraHosts },
    }),
    taskEvent("fingerprinted", 1, sampleData("fingerprinted")),
    taskEvent("sandboxed", 1, { ...sampleData("sandboxed"), runFolder, egress }),
    taskEvent("started", 1, sampleData("started")),
    ...more,
  ];
}

/** A plugin that takes the task over. */
function plugin(
  kernel: Kernel,
  events: TaskEvent[],
  { client = undefined as string[] | undefined, isFull = false } = {},
) {
  let snapshot: TaskSnapshot = fold(events);
  const inForceWhenRecorded: (readonly string[] | undefined)[] = [];
  const task = {
    id: "task",
    get snapshot() {
      return snapshot;
    },
    get state() {
      return snapshot.value;
    },
    async record<T extends EventType>(type: T, data: EventData<T>) {
      const event = taskEvent(type, 2, data);
      const taken = step(snapshot, event);
      if (!taken.accepted) return false;
      inForceWhenRecorded.push(kernel.list);
      await Promise.resolve();
      events.push(event);
      snapshot = taken.snapshot;
      if (taken.effects.includes("limitEgress")) void run.limit();
      return true;
    },
    stored: async () => {
      if (isFull) throw new DriverError("STORE_FAILED", "the disk is full");
    },
  };
  const put = ({ egress, names }: EgressTerms, changes: number) => {
    if (kernel.refusals-- > 0) throw new DriverError("EGRESS_UNAVAILABLE", "no memory");
    Object.assign(kernel, { list: egress, names, changes });
  };
  const confined = {
    changes: kernel.changes,
    replace: put,
    refused: () => 0,
    [Symbol.dispose]: () => undefined,
  };
  const control = {
    adopt: () => confined,
    confine: () => confined,
    settle: () => undefined,
  };
  const names = new NameBook(async (name) => ({
    addresses: [addresses[name] ?? (await Promise.reject(new Error("there is no such name")))],
    unused: 0,
    ttlMs: 300_000,
  }));
  const log = recordingLogger();
  const services = {
    egress: { tools: async () => ({ names, control, addressesIn }) },
    log,
    options: { egress: client, egressDenied: [] },
  };
  const run = new RunEgress(
    { task, services: () => services, warn: () => undefined } as never,
    {} as RunDenials,
  );
  onTestFinished(() => run.release());
  run.begin();
  return { run, log, names, inForceWhenRecorded, context: () => snapshot.context };
}

const kernelWith = (list: readonly string[], changes = 0): Kernel => ({
  list,
  names: new Map(),
  changes,
  refusals: 0,
});

it("is recorded before it is in force, with the addresses of new names, and the context has it", async () => {
  const events = startedWith(["192.0.2.7"]);
  const kernel = kernelWith(["192.0.2.7"]);
  const { run, inForceWhenRecorded, context, names } = plugin(kernel, events);
  const changed = await run.change(edit({ add: ["new.example.org:443"] }), byWhom);
  expect(changed.allowed).toEqual(["192.0.2.7", "new.example.org:443"]);
  expect(inForceWhenRecorded).toEqual([["192.0.2.7"]]);
  expect(kernel).toMatchObject({ list: ["192.0.2.7", "new.example.org:443"], changes: 1 });
  expect([...kernel.names]).toEqual([["new.example.org", ["198.51.100.2"]]]);
  expect(events.at(-1)).toMatchObject({
    type: "egressChanged",
    data: {
      ...{ added: ["new.example.org:443"], removed: [], ...byWhom },
      names: [{ name: "new.example.org", addresses: ["198.51.100.2"], problem: null }],
    },
  });
  expect(context().sandbox?.egress?.allowed).toEqual(["192.0.2.7", "new.example.org:443"]);
  expect(context().names.map(({ name }) => name)).toEqual(["new.example.org"]);
  expect(context().egress).toEqual({
    changes: 1,
    added: [{ entry: "new.example.org:443", at: 2, ...byWhom }],
  });
  await run.change(edit({ remove: ["new.example.org:443"] }), byWhom);
  expect(kernel).toMatchObject({ list: ["192.0.2.7"], changes: 2 });
  expect(context().names).toEqual([]);
  expect(names.size).toBe(0);
  await run.change(edit({ set: [] }), { by: "root", reason: "x".repeat(5_000) });
  expect(events.at(-1)).toMatchObject({ data: { reason: "x".repeat(1_024) } });
  await run.change(edit({ set: ["192.0.2.7"] }), byWhom);
  const before = events.length;
  await run.change(edit({ set: ["192.0.2.7"] }), byWhom);
  expect(events.length).toBe(before);
});

it("follows another one that was asked for at the same time", async () => {
  const kernel = kernelWith(["192.0.2.7"]);
  const { run } = plugin(kernel, startedWith(["192.0.2.7"]));
  await Promise.all([
    run.change(edit({ add: ["192.0.2.8"] }), byWhom),
    run.change(edit({ add: ["db.example.org"] }), byWhom),
    run.change(edit({ remove: ["192.0.2.7"] }), byWhom),
  ]);
  expect(kernel).toMatchObject({ list: ["192.0.2.8", "db.example.org"], changes: 3 });
});

it("that the kernel refuses is taken back in the history, too", async () => {
  const events = startedWith(["192.0.2.7"]);
  const kernel = { ...kernelWith(["192.0.2.7"]), refusals: 1 };
  const { run, context } = plugin(kernel, events);
  await expect(run.change(edit({ add: ["192.0.2.8"] }), byWhom)).rejects.toThrow(
    expect.objectContaining({ code: "EGRESS_UNAVAILABLE" }),
  );
  expect(kernel).toMatchObject({ list: ["192.0.2.7"], changes: 2 });
  expect(context().sandbox?.egress?.allowed).toEqual(["192.0.2.7"]);
  expect(events.at(-1)).toMatchObject({
    type: "egressChanged",
    data: { by: "exec2", removed: ["192.0.2.8"] },
  });
});

it("is in force although the log is full, and says that it is not recorded yet", async () => {
  const kernel = kernelWith(["192.0.2.7"]);
  const { run } = plugin(kernel, startedWith(["192.0.2.7"]), { isFull: true });
  await expect(run.change(edit({ set: [] }), byWhom)).rejects.toThrow(
    expect.objectContaining({ code: "STORE_FAILED", summary: expect.stringContaining("is in force") }),
  );
  expect(kernel.list).toEqual([]);
});

it("never exceeds the client's list, and needs a list", async () => {
  const kernel = kernelWith(["192.0.2.7"]);
  const { run } = plugin(kernel, startedWith(["192.0.2.7"]), { client: ["192.0.2.0/24"] });
  for (const add of ["198.51.100.1", "192.0.2.66"])
    await expect(run.change(edit({ add: [add] }), byWhom)).rejects.toThrow(
      expect.objectContaining({ code: "CONFIG_INVALID" }),
    );
  expect(kernel).toMatchObject({ list: ["192.0.2.7"], changes: 0 });
  const events = startedWith([]);
  const sandbox = events.find(({ type }) => type === "sandboxed")?.data as EventData<"sandboxed">;
  sandbox.egress = { allowed: null, denied: ["192.0.2.66"], names: [] };
  const open = plugin(kernelWith([]), events);
  await expect(open.run.change(edit({ set: ["192.0.2.7"] }), byWhom)).rejects.toThrow(
    expect.objectContaining({ code: "UNSUPPORTED" }),
  );
});

const recorded = taskEvent("egressChanged", 2, {
  ...{ allowed: ["db.example.org"], added: ["db.example.org"], removed: ["192.0.2.7"], ...byWhom },
  names: [{ name: "db.example.org", addresses: ["198.51.100.9"], problem: null }],
});

it("that was recorded by a plugin which then died is put in force by the next one, even if the kernel refuses it once", async () => {
  for (const refusals of [0, 1]) {
    const kernel = { ...kernelWith(["192.0.2.7"]), refusals };
    plugin(kernel, startedWith(["192.0.2.7"], [recorded]));
    await expect.poll(() => kernel.list, { timeout: 5_000 }).toEqual(["db.example.org"]);
    expect(kernel.changes).toBe(1);
    await expect.poll(() => kernel.names.get("db.example.org")).toContain("198.51.100.1");
  }
});

it("that only the kernel has stays in force, and the agent's log says so", async () => {
  const kernel = kernelWith(["192.0.2.8"], 1);
  const { log, run } = plugin(kernel, startedWith(["db.example.org"]));
  await expect
    .poll(() => log.lines.map(({ message }) => message))
    .toEqual([expect.stringContaining("is not in its history")]);
  expect(kernel.list).toEqual(["192.0.2.8"]);
  await run.change(edit({ set: ["192.0.2.7"] }), byWhom);
  expect(kernel).toMatchObject({ list: ["192.0.2.7"], changes: 1 });
});

/** A plugin that takes over a task whose hosts file has these lines. The events are late. */
function takeover(names: readonly string[], lines: string, extraHosts: string[] = []) {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
  const runFolder = temporaryFolder();
  const { hosts } = runFiles(runFolder);
  writeFileSync(hosts, lines);
  const known = names.map((name) => ({ name, addresses: ["198.51.100.8"], problem: null }));
  const kernel = kernelWith(names);
  plugin(kernel, startedWith(names, [], { names: known, runFolder, extraHosts }));
  return { kernel, hostsFile: () => addressesIn(readFileSync(hosts, "utf8"), "db.example.org") };
}

it("is none if a name's addresses have: those in the hosts file stay until it has the new ones, and for some seconds", async () => {
  const { kernel, hostsFile } = takeover(["db.example.org"], "198.51.100.9 db.example.org\n");
  const inForce = () => kernel.names.get("db.example.org");
  await vi.waitFor(() => expect(inForce()).toEqual(["198.51.100.1", "198.51.100.9"]));
  expect(hostsFile()).toEqual(["198.51.100.1"]);
  await vi.advanceTimersByTimeAsync(9_000);
  expect(inForce()).toEqual(["198.51.100.1", "198.51.100.9"]);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(inForce()).toEqual(["198.51.100.1"]);
});

it("is not made by a job: what it says in extra_hosts about an allowed name is no address of the name", async () => {
  const names = ["unknown.example.org", "db.example.org"];
  const lines = names.map((name) => `198.51.100.9 ${name}\n10.9.9.9 ${name}\n`).join("");
  const { kernel } = takeover(
    names,
    lines,
    names.map((name) => `${name.toUpperCase()}:10.9.9.9`),
  );
  await vi.waitFor(() =>
    expect(Object.fromEntries(kernel.names)).toEqual({
      "unknown.example.org": ["198.51.100.8", "198.51.100.9"],
      "db.example.org": ["198.51.100.1", "198.51.100.9"],
    }),
  );
});
