import { appendFileSync, existsSync, rmSync, writeFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";
import { readOutOfMemory, watchOutOfMemory } from "../../../src/effects/cgroup/cgroup.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";

/** A folder with the files of a cgroup. inotify reports their changes like those of a cgroup. */
function cgroup(kills: number): string {
  const folder = temporaryFolder();
  writeFileSync(`${folder}/memory.events`, `low 0\nmax 9\noom 1\noom_kill ${kills}\n`);
  writeFileSync(`${folder}/memory.max`, "1048576\n");
  return folder;
}

describe("a task's OOM kills", () => {
  it("are those since the earlier count", () => {
    expect(readOutOfMemory(cgroup(5), 3)).toEqual({ kills: 2, limitBytes: 1_048_576, peakBytes: null });
    expect(readOutOfMemory(cgroup(5), 5)).toBeNull();
  });

  it("are unknown without a memory controller", () => {
    expect(readOutOfMemory(temporaryFolder(), 0)).toBeNull();
  });

  it("have no limit if none is set", () => {
    const folder = cgroup(1);
    writeFileSync(`${folder}/memory.max`, "max\n");
    writeFileSync(`${folder}/memory.peak`, "4096\n");
    expect(readOutOfMemory(folder, 0)).toEqual({ kills: 1, limitBytes: null, peakBytes: 4096 });
  });
});

describe("the watch for OOM kills", () => {
  it("calls back for earlier events, and again for new ones", async () => {
    const folder = cgroup(0);
    let calls = 0;
    onTestFinished(watchOutOfMemory(folder, () => calls++));
    await expect.poll(() => calls).toBe(1);
    appendFileSync(`${folder}/memory.events`, "oom_kill 1\n");
    await expect.poll(() => calls).toBe(2);
    appendFileSync(`${folder}/memory.events`, "oom_kill 2\n");
    await expect.poll(() => calls).toBe(3);
  });

  it("calls back at most twice for a burst of changes, and never after its end", async () => {
    const folder = cgroup(0);
    let calls = 0;
    const end = watchOutOfMemory(folder, () => calls++);
    await expect.poll(() => calls).toBe(1);
    for (let change = 0; change < 50; change++) appendFileSync(`${folder}/memory.events`, "max 10\n");
    await expect.poll(() => calls).toBe(2);
    end();
    appendFileSync(`${folder}/memory.events`, "max 11\n");
    await delay(1_500);
    expect(calls).toBe(2);
  });

  it("ends with the cgroup, and causes no error without one", async () => {
    const folder = cgroup(0);
    let calls = 0;
    onTestFinished(watchOutOfMemory(folder, () => calls++));
    onTestFinished(watchOutOfMemory(`${folder}/none`, () => calls++));
    await expect.poll(() => calls).toBe(1);
    rmSync(`${folder}/memory.events`);
    await delay(1_500);
    expect([calls, existsSync(folder)]).toEqual([1, true]);
  });
});
