/**
 * What released versions have left on their hosts (test/fixtures/releases, made by `record.ts`): this version reads all
 * of it, and goes on with it. The present executable is recorded, too, so that the recording works when a release comes.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { startAgent } from "../support/agent/agent.ts";
import { eventually } from "../support/host/eventually.ts";
import { temporaryFolder } from "../support/host/temporaryFolder.ts";
import { builtEntry } from "../support/plugin/pluginEntry.ts";
import { call } from "../support/screen/commandLine.ts";
import { recordRelease } from "./record.ts";

const folder = join(import.meta.dirname, "../fixtures/releases");
const released = existsSync(folder) ? readdirSync(folder) : [];

describe.each(["present", ...released])("what version %s left", (version) => {
  const recorded = async () => {
    if (version !== "present") return join(folder, version);
    const made = temporaryFolder();
    await recordRelease(builtEntry, made);
    return made;
  };

  it("is read, holds, and is gone on with", async () => {
    const files = await recorded();
    const work = temporaryFolder();
    execFileSync("tar", ["-C", work, "-xzf", join(files, "state.tar.gz")]);
    const state = join(work, "state");
    const bundle = join(files, "bundle.jsonl");
    for (const from of [state, bundle])
      expect(await call(["replay", "--check", "--state-dir", from])).toMatchObject({ code: 0, stderr: "" });
    const events = readFileSync(join(files, "events.jsonl"), "utf8").trimEnd().split("\n");
    const now = await call(["events", "--json", "--state-dir", state]);
    expect(now.stdout.trimEnd().split("\n").length).toBe(events.length);
    // Its running task is of another run of the machine, or has ended: the plugin finds out.
    const agent = await startAgent({ stateDir: state });
    await eventually(async () => {
      const { stdout } = await call(["why", "running/t", "--json", "--state-dir", state]);
      expect(stdout).not.toContain('"state":"running"');
    });
    await agent.close();
    expect(await call(["replay", "--check", "--state-dir", state])).toMatchObject({ code: 0 });
  });
});
