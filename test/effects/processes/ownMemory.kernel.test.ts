import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { getHeapSpaceStatistics } from "node:v8";
import { expect, it, onTestFinished } from "vitest";
import {
  collectGarbage,
  collectYoungGarbage,
  heapBytes,
  readOnlyMappings,
  releaseMemory,
  unchangedMappings,
} from "../../../src/effects/processes/ownMemory.ts";
import { openEventStore } from "../../../src/store/lmdb/lmdbEventStore.ts";
import { sampleEvent } from "../../support/history/sampleEvents.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";

const mapping = (line: string, anonymousKb: number, residentKb = 128) => `${line}
Size:                256 kB
Rss:               ${String(residentKb).padStart(5)} kB
Anonymous:         ${String(anonymousKb).padStart(7)} kB
VmFlags: rd ex mr mw me
`;

it("the unchanged mappings of a file are found", () => {
  const smaps = [
    mapping("00400000-0082e000 r--p 00000000 fe:00 53166                     /opt/the plugin", 0),
    mapping("0082e000-03489000 r-xp 0042e000 fe:00 53166                     /opt/the plugin", 0),
    // The dynamic linker wrote to this mapping before it became read-only.
    mapping("072a7000-072dc000 r--p 06ea7000 fe:00 53166                     /opt/the plugin", 4),
    // qemu-user shows zeros for all mappings, also for those that were changed.
    mapping("072db000-072dc000 r--p 06edb000 fe:00 53166                     /opt/the plugin", 0, 0),
    mapping("072dc000-07308000 rw-p 06edc000 fe:00 53166                     /opt/the plugin", 0),
    mapping("7f0000000000-7f0000001000 r--p 00000000 fe:00 77                /opt/the plugin.so", 0),
    mapping("7f0000001000-7f0000002000 r--p 00000000 00:00 0 ", 0),
  ].join("");
  expect(unchangedMappings(smaps, "/opt/the plugin")).toEqual([
    { address: 0x400000n, bytes: 0x42e000n },
    { address: 0x82e000n, bytes: 0x2c5b000n },
  ]);
});

it("the shared read-only mappings of files are found", () => {
  const maps = `7f0000000000-7f1000000000 r--s 00000000 fe:00 53166      /state/events/data.mdb
7f1000000000-7f1000002000 rw-s 00000000 fe:00 53167      /state/events/lock.mdb
7f2000000000-7f2000002000 r--p 00000000 fe:00 77         /usr/lib/libc.so.6
7f3000000000-7f3000002000 r--s 00000000 00:0f 1          anon_inode:[io_uring]
`;
  expect(readOnlyMappings(maps)).toEqual([{ address: 0x7f0000000000n, bytes: 0x1000000000n }]);
});

it("an event log's pages are unmapped, and the log still works", async () => {
  const store = await openEventStore(join(temporaryFolder(), "events"));
  onTestFinished(() => store.close());
  const event = sampleEvent("", { text: "x".repeat(100_000) });
  await store.append("task", 0, Array(10).fill(event));
  expect([...store.readStream("task")]).toHaveLength(10);
  const before = mappedKb("/events/data.mdb");
  await releaseMemory();
  expect(mappedKb("/events/data.mdb")).toBeLessThan(before);
  await store.append("task", 10, [event]);
  expect([...store.readStream("task")]).toHaveLength(11);
});

it("unreachable objects are collected", async () => {
  const garbage = new WeakRef(Buffer.alloc(1 << 20));
  // A new WeakRef keeps its target until the end of the present turn of the event loop.
  await new Promise(setImmediate);
  collectGarbage();
  expect(garbage.deref()).toBeUndefined();
});

it("the young generation is collected if that is still wanted, and V8 has no function for it afterwards", async () => {
  const youngBytes = () => {
    const young = getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space");
    return young?.space_used_size ?? Number.NaN;
  };
  const asked = async (isWanted: boolean) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    collectYoungGarbage(() => {
      setImmediate(resolve);
      return isWanted;
    });
    await promise;
  };
  await asked(true);
  const before = youngBytes();
  const objects = Array.from({ length: 5_000 }, (_, index) => ({ text: `object ${index}` }));
  expect(objects.length).toBe(5_000);
  objects.length = 0;
  await asked(false);
  const filled = youngBytes();
  expect(filled).toBeGreaterThan(before + (100 << 10));
  await asked(true);
  expect(youngBytes()).toBeLessThan(filled - (50 << 10));
  expect("gc" in globalThis).toBe(false);
});

it("the heap after a collection is hardly larger than before the garbage", async () => {
  collectGarbage();
  const before = heapBytes();
  // One of a hundred objects stays, so hardly any page of the heap becomes empty by itself.
  let objects: object[] = Array.from({ length: 400_000 }, (_, index) => ({ text: `object ${index}` }));
  objects = objects.filter((_, index) => index % 100 === 0);
  await new Promise(setImmediate);
  collectGarbage();
  expect(objects).toHaveLength(4_000);
  const spaces = getHeapSpaceStatistics().map(
    ({ space_name: name, space_size: size, space_used_size: used }) => `${name} ${used} of ${size}`,
  );
  expect(heapBytes() - before, spaces.join(", ")).toBeLessThan(5 << 20);
});

it("the executable's pages are unmapped, and the process goes on", async () => {
  const before = residentKb();
  await releaseMemory();
  expect(residentKb()).toBeLessThan(before);
});

/** KiB of mapped files that are in memory: proc_pid_status(5). */
function residentKb(): number {
  return Number(/^RssFile:\s+(\d+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1]);
}

/** KiB of one mapped file that are in memory: proc_pid_smaps(5). */
function mappedKb(ending: string): number {
  const mappings = readFileSync("/proc/self/smaps", "utf8").split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
  const ofFile = mappings.filter((text) => text.slice(0, text.indexOf("\n")).endsWith(ending));
  return ofFile.reduce((sum, text) => sum + Number(/^Rss:\s+(\d+)/m.exec(text)?.[1]), 0);
}

it("the young generation of a process that keeps it small does not grow with its garbage", () => {
  const youngKb = (keepsSmall: boolean) => {
    const module = join(import.meta.dirname, "../../../src/effects/processes/ownMemory.ts");
    const code = `
      import { getHeapSpaceStatistics } from "node:v8";
      import { keepYoungGenerationSmall } from ${JSON.stringify(module)};
      if (${keepsSmall}) keepYoungGenerationSmall();
      const kept = [];
      for (let round = 0; round < 300_000; round++) kept[round % 20_000] = { round, list: [round] };
      const young = getHeapSpaceStatistics().find(({ space_name: name }) => name === "new_space");
      console.log(young.space_size / 1024);
    `;
    const args = ["--input-type=module", "--eval", code];
    return Number(execFileSync(process.execPath, args, { encoding: "utf8" }));
  };
  expect(youngKb(true)).toBeLessThan(youngKb(false) / 2);
});
