/**
 * What released versions have left on their hosts (test/fixtures/releases, made by `record.ts`): this version reads all
 * of it, and goes on with it. The present executable is recorded, too, so that the recording works when a release comes.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { TaskHandle } from "../../src/grpc/generated/nomad/driver.ts";
import { startAgent, waitTask } from "../support/agent/agent.ts";
import { temporaryFolder } from "../support/host/temporaryFolder.ts";
import { builtEntry } from "../support/plugin/pluginEntry.ts";
import { call } from "../support/screen/commandLine.ts";
import { recordedTasks, recordRelease, resultsOf } from "./record.ts";

const folder = join(import.meta.dirname, "../fixtures/releases");
const released = existsSync(folder) ? readdirSync(folder) : [];
const recorded = Object.fromEntries(
  Object.entries(recordedTasks).map(([name, { result }]) => [name, result]),
);

describe.each(["present", ...released])("what version %s left", (version) => {
  it("is read, holds, and is gone on with", async () => {
    const files = version === "present" ? temporaryFolder() : join(folder, version);
    if (version === "present") await recordRelease(builtEntry, files);
    const work = temporaryFolder();
    execFileSync("tar", ["-C", work, "-xzf", join(files, "state.tar.gz")]);
    const state = join(work, "state");
    const bundle = join(files, "bundle.jsonl");
    for (const from of [state, bundle])
      expect(await call(["replay", "--check", "--state-dir", from])).toMatchObject({ code: 0, stderr: "" });
    const results = async () =>
      resultsOf((await call(["ps", "--all", "--json", "--state-dir", state])).stdout);
    const handles: Record<string, string> = JSON.parse(readFileSync(join(files, "handles.json"), "utf8"));
    const handleOf = (name: string) => TaskHandle.decode(Buffer.from(handles[name] ?? "", "base64"));
    const runningId = handleOf("running").config?.id ?? "";
    // Its process is gone, as after a reboot.
    expect(await results()).toEqual({ ...recorded, running: "gone" });
    const shown = await call(["events", "--json", "--state-dir", state]);
    expect(typesOf(shown.stdout)).toEqual(typesOf(readFileSync(join(files, "events.jsonl"), "utf8")));
    const exported = await call(["export", "--all", "--show-args", "--state-dir", state]);
    const usage = usageIn(readFileSync(bundle, "utf8"));
    expect(usage).toContainEqual({ usage: runningId, samples: expect.arrayContaining([expect.any(Array)]) });
    expect(usageIn(exported.stdout)).toEqual(usage);

    const agent = await startAgent({ stateDir: state });
    for (const [name, end] of [
      ["failed", { exitCode: 7, signal: 0 }],
      ["stopped", { exitCode: 143, signal: 15 }],
    ] as const) {
      const handle = handleOf(name);
      await agent.driver.recoverTask({ taskId: "", handle });
      expect(await waitTask(agent, { id: handle.config?.id ?? "" })).toMatchObject(end);
      await agent.driver.destroyTask({ taskId: handle.config?.id ?? "", force: false });
    }
    // Its end was seen by nobody. Of an earlier boot, the agent is told so by a refusal.
    await Promise.allSettled([agent.driver.recoverTask({ taskId: "", handle: handleOf("running") })]);
    await agent.close();
    expect(await call(["replay", "--check", "--state-dir", state])).toMatchObject({ code: 0 });
    expect(await results()).toEqual({ ...recorded, running: "lost" });
  });
});

function usageIn(bundle: string): unknown[] {
  const lines = bundle
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  return lines.filter(({ usage }) => usage).map(({ usage, samples }) => ({ usage, samples }));
}

function typesOf(events: string): unknown[] {
  return events
    .trimEnd()
    .split("\n")
    .map((line) => {
      const { stream, seq, type } = JSON.parse(line);
      return { stream, seq, type };
    });
}
