/** `pin`, `unpin` and `archive` from end to end. */
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { isPinned, readArchived } from "../../../src/store/folder/keptHistories.ts";
import { openEventStore } from "../../../src/store/lmdb/lmdbEventStore.ts";
import { life } from "../../support/history/history.ts";
import { recorderOf } from "../../support/history/recorder.ts";
import { smallFileSystem } from "../../support/host/smallFileSystem.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { call } from "../../support/screen/commandLine.ts";
import { idOf } from "../../support/screen/inspector.ts";

const day = 86_400_000;

/**
 * A log with two old tasks of one day, an old task of another day, a recent task and a running task.
 */
async function oldLog() {
  const stateDir = temporaryFolder();
  const store = await openEventStore(join(stateDir, "events"));
  onTestFinished(() => store.close());
  const record = recorderOf(store);
  const now = new Date();
  const noon = new Date(now.getFullYear(), now.getMonth(), now.getDate(), 12).getTime();
  const at = (days: number, events = life("ended")) =>
    events.map((event) => ({ ...event, time: noon - days * day }));
  await record(idOf(1, "web"), at(40));
  await record(idOf(2, "db"), at(40, life("killed")));
  await record(idOf(3, "cron"), at(35));
  await record(idOf(4, "young"), at(2));
  await record(idOf(5, "runs"), at(50, life("ended").slice(0, 4)));
  return { stateDir, store, archive: join(stateDir, "archive") };
}

describe("archive", () => {
  it("writes old histories to a bundle for each day, once, and every verb finds them there", async () => {
    const { stateDir, store, archive } = await oldLog();
    const run = (...more: string[]) =>
      call(["archive", "--older-than", "30d", ...more, "--state-dir", stateDir]);
    expect((await run("--dry-run")).stdout).toMatch(
      /^would archive 2 tasks of .*\nwould archive 1 task of .*\n$/,
    );
    const { code, stdout } = await run("--json");
    expect(code).toBe(0);
    const bundles = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(bundles.map(({ tasks }) => tasks)).toEqual([[idOf(1, "web"), idOf(2, "db")], [idOf(3, "cron")]]);
    expect(readdirSync(archive).map((name) => join(archive, name))).toEqual(
      bundles.map(({ bundle }) => bundle),
    );
    expect(statSync(bundles[0].bundle).mode & 0o777).toBe(0o600);
    expect((await run()).stdout).toMatch(/^No task to archive: 3 in /);
    expect(readArchived(stateDir)).toEqual(new Set());
    await run("--prune");
    expect(readArchived(stateDir)).toEqual(
      new Set([1, 2, 3].map((n, index) => idOf(n, ["web", "db", "cron"][index] ?? ""))),
    );
    // Removes one of the histories, as the driver would some time later.
    await store.prune(idOf(1, "web"), store.version(idOf(1, "web")));
    for (const verb of ["events", "why", "replay"]) {
      const found = await call([verb, "web", "--state-dir", stateDir]);
      expect(found).toMatchObject({ code: 0, stderr: `web is in the archive: ${bundles[0].bundle}\n` });
      expect(found.stdout).toContain(idOf(1, "web"));
    }
    for (const place of [["--state-dir", archive], [`${bundles[0].bundle}:web`]]) {
      expect((await call(["why", ...(place.length > 1 ? ["web"] : []), ...place])).stdout).toContain(
        idOf(1, "web"),
      );
    }
    expect((await call(["replay", "--check", "--state-dir", archive])).stdout).toMatch(
      /of 3 tasks.*all verified/,
    );
    expect((await call(["events", "wbe", "--state-dir", stateDir])).stderr).toContain("TASK_NOT_FOUND");
  });

  it("continues an interrupted archive", async () => {
    const { stateDir, archive } = await oldLog();
    await call(["archive", "--older-than", "38d", "--state-dir", stateDir]);
    const [name = ""] = readdirSync(archive);
    const first = readFileSync(join(archive, name), "utf8");
    // A file that a killed `archive` has left; no process has this pid.
    writeFileSync(join(archive, ".2026-01-01.4194304.new"), "half");
    await call(["archive", "--older-than", "30d", "--state-dir", stateDir]);
    expect(readdirSync(archive)).toHaveLength(2);
    expect(readFileSync(join(archive, name), "utf8")).toBe(first);
  });

  it("reports a full disk, leaves no partial file, and marks no history for removal", async () => {
    const { stateDir } = await oldLog();
    const archiveInto = (folder: string, ...more: string[]) =>
      call(["archive", "--older-than", "30d", ...more, "--into", folder, "--state-dir", stateDir]);
    const roomy = temporaryFolder();
    await archiveInto(roomy);
    const [first = 0, second = 0] = readdirSync(roomy).map((name) => statSync(join(roomy, name)).size);
    // One page too small for both bundles.
    const pages = Math.ceil(first / 4096) + Math.ceil(second / 4096) - 1;
    const full = smallFileSystem(`${pages * 4}k`);
    const { code, stderr } = await archiveInto(full, "--prune");
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^OUTPUT_FAILED: the archive .* cannot be written: no space left on device\nhint: Free space/,
    );
    expect(readdirSync(full)).toEqual([expect.stringMatching(/^[\d-]+\.jsonl$/)]);
    expect(readArchived(stateDir)).toEqual(new Set());
  });

  it("refuses invalid options", async () => {
    expect((await call(["archive"])).stderr).toContain(
      "required option '--older-than <duration>' not specified",
    );
    expect((await call(["archive", "--older-than", "soon"])).stderr).toContain("Expected a duration");
    const { stateDir } = await oldLog();
    const archive = (...args: string[]) => call(["archive", "--state-dir", stateDir, ...args]);
    const file = join(temporaryFolder(), "file");
    writeFileSync(file, "");
    expect((await archive("--older-than", "0s", "--into", file)).stderr).toMatch(
      /^OUTPUT_FAILED: the archive \S+file cannot be written: file already exists\n/,
    );
    expect((await archive("--older-than", "365000d")).stdout).toBe("No task to archive\n");
  });
});

describe("pin", () => {
  it("protects a history, with a reason that the lists show, until unpin", async () => {
    const { stateDir } = await oldLog();
    const verb = (...args: string[]) => call([...args, "--state-dir", stateDir]);
    expect((await verb("pin")).stdout).toBe("Nothing is pinned.\n");
    expect(await verb("pin", "web", "--reason", "outage 12")).toEqual({
      code: 0,
      stdout: `pinned ${idOf(1, "web")}\n`,
      stderr: "",
    });
    expect(isPinned(stateDir, idOf(1, "web"))).toBe(true);
    expect((await verb("pin")).stdout).toMatch(/^TASK +PINNED +REASON\n\S+\/web\/\S+ .* outage 12\n$/);
    expect(JSON.parse((await verb("pin", "--json")).stdout)).toMatchObject({
      task: idOf(1, "web"),
      reason: "outage 12",
    });
    expect((await verb("ps", "--all")).stdout).toMatch(/^web .* outage 12$/m);
    expect((await verb("ps", "--all", "--json")).stdout).toContain('"pin":{"reason":"outage 12"');
    expect((await verb("events", "web")).stdout).toMatch(/^pinned 2\d{3}-.*: outage 12$/m);
    expect((await verb("events")).stdout).toMatch(/^web .*, pinned$/m);
    expect((await verb("unpin", "web")).stdout).toBe(`unpinned ${idOf(1, "web")}\n`);
    expect(await verb("unpin", "web")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("is not pinned"),
    });
    expect(isPinned(stateDir, idOf(1, "web"))).toBe(false);
  });
});
