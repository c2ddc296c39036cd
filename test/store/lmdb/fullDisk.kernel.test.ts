/** A disk that really fills up: a small file system for the test. */
import { spawnSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { openEventStore } from "../../../src/store/lmdb/lmdbEventStore.ts";
import { labelOf, sampleEvent } from "../../support/history/sampleEvents.ts";
import { remountReadOnly, smallFileSystem } from "../../support/host/smallFileSystem.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { programEntry } from "../../support/plugin/pluginEntry.ts";
import { call } from "../../support/screen/commandLine.ts";

const MIB = 1 << 20;

describe("a full disk", () => {
  it("fails appends until there is room, and loses nothing", async () => {
    const disk = smallFileSystem("40m");
    const filler = join(disk, "filler");
    writeFileSync(filler, Buffer.alloc(20 * MIB));
    const store = await openEventStore(join(disk, "events"));
    try {
      const append = (label: number) =>
        store.append("s", store.version("s"), [sampleEvent("", { label, text: "x".repeat(30_000) })]);
      let stored = 0;
      const refused = (async () => {
        for (;;) {
          await append(stored + 1);
          stored += 1;
        }
      })();
      await expect(refused).rejects.toMatchObject({
        code: "STORE_FAILED",
        failed: { call: "commit", errno: "ENOSPC" },
        hint: expect.stringContaining("Free space"),
        recoverable: true,
      });
      expect(stored).toBeGreaterThan(10);
      expect([store.version("s"), store.lastPosition()]).toEqual([stored, stored]);
      await store.flushed();

      rmSync(filler);
      const [event] = await append(stored + 1);
      expect(event).toMatchObject({ seq: stored + 1, position: stored + 1 });
      expect([...store.readAll()].map(labelOf)).toEqual(Array.from({ length: stored + 1 }, (_, i) => i + 1));
    } finally {
      await store.close();
    }
  });

  it("refuses an event that it has no room for, and accepts one that fits", async () => {
    const store = await openEventStore(join(smallFileSystem("30m"), "events"));
    try {
      await store.append("s", 0, [sampleEvent(1)]);
      const big = sampleEvent("", { label: "big", text: "y".repeat(7 * MIB) });
      const group = [store.append("s", 1, [sampleEvent(2)]), store.append("big", 0, [big, big])];
      for (const append of group) await expect(append).rejects.toMatchObject({ failed: { errno: "ENOSPC" } });
      expect([store.version("s"), store.version("big"), store.lastPosition()]).toEqual([1, 0, 1]);
      await store.append("s", 1, [sampleEvent(2)]);
      expect([...store.readAll()].map(labelOf)).toEqual([1, 2]);
    } finally {
      await store.close();
    }
  });

  it("causes an error if a log cannot be created", async () => {
    for (const size of ["8k", "324k", "1m", "15m"]) {
      const opening = openEventStore(join(smallFileSystem(size), "events"));
      await expect(opening).rejects.toMatchObject({ code: "STORE_FAILED", failed: { errno: "ENOSPC" } });
    }
  });

  it("is distinguished from a read-only disk, which causes EROFS", async () => {
    const disk = smallFileSystem("30m");
    await (await openEventStore(join(disk, "events"))).close();
    remountReadOnly(disk);
    await expect(openEventStore(join(disk, "events"))).rejects.toMatchObject({
      code: "STORE_FAILED",
      failed: { errno: "EROFS" },
    });
  });
});

describe("a file that may not grow", () => {
  it("fails appends before LMDB is refused a write, which may crash it, and can still be read", () => {
    const folder = join(temporaryFolder(), "events");
    const fixture = fileURLToPath(new URL("../../fixtures/appendUntilRefused.ts", import.meta.url));
    // 20 MiB, in units of 512 bytes.
    const limited = 'ulimit -f 40960; exec "$@"';
    const child = spawnSync("sh", ["-c", limited, "sh", process.execPath, fixture, folder], {
      encoding: "utf8",
    });
    const { signal, status, stderr } = child;
    expect({ signal, status, stderr }).toEqual({ signal: null, status: 0, stderr: "" });
    const { stored, refusals, read, defects } = JSON.parse(child.stdout);
    expect(stored).toBeGreaterThan(20);
    expect(refusals).toHaveLength(50);
    for (const refusal of refusals) expect(refusal).toBe("STORE_FAILED EFBIG");
    expect({ read, defects }).toEqual({ read: stored, defects: [] });
  });

  it("is no matter of doctor's, whose limit is not the agent's", async () => {
    const stateDir = temporaryFolder();
    const limited = ["sh", "-c", 'ulimit -f 2048; exec "$@"', "sh", process.execPath, programEntry];
    const args = ["doctor", "--state-dir", stateDir];
    expect(await call(args, { program: limited })).toEqual(await call(args));
  });
});
