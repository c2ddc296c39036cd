/** `diff` over histories that `run` leaves in the log, and over bundles. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { call, shellJob } from "../../support/screen/commandLine.ts";

const histories = "test/fixtures/histories/ends.jsonl";

async function runs(...scripts: string[]) {
  const stateDir = temporaryFolder();
  for (const script of scripts) await call(["run", "--state-dir", stateDir, shellJob(script)]);
  const { stdout } = await call(["events", "--json", "--state-dir", stateDir]);
  const streams = stdout
    .trim()
    .split("\n")
    .map((line) => (JSON.parse(line) as { readonly stream: string }).stream);
  return { stateDir, ids: [...new Set(streams)] };
}

describe("diff", () => {
  it("exits with 0 for two runs with the same course, and with 1 if they diverge", async () => {
    const { stateDir, ids } = await runs("exit 3", "exit 3", "exit 0");
    const [one = "", same = "", other = ""] = ids;
    const diff = (...args: string[]) => call(["diff", ...args, "--state-dir", stateDir]);
    expect(await diff(one, same)).toMatchObject({
      code: 0,
      stderr: "",
      stdout: expect.stringContaining("No difference, except"),
    });
    const parted = await diff(one, other);
    expect(parted).toMatchObject({ code: 1, stderr: "" });
    expect(parted.stdout.replaceAll("\n", " ")).toContain(
      "They diverge after started (event 4): A continues with exited: exit code 3 [5], B continues with exited: exit code 0 [5].",
    );
    expect(parted.stdout).toMatch(/^ {5}~ exitCode 3 → 0$/m);

    const bundle = join(temporaryFolder(), "b.jsonl");
    writeFileSync(bundle, (await call(["export", one, "--state-dir", stateDir])).stdout);
    // A masked bundle can still be compared with its original.
    expect(await diff(one, bundle)).toMatchObject({ code: 0 });
    const json = await diff(bundle, other, "--json");
    expect(json.code).toBe(1);
    expect(JSON.parse(json.stdout)).toMatchObject({ same: false, divergence: { left: 5, right: 5 } });
  });

  it("compares tasks in bundles of several tasks", async () => {
    const parted = await call(["diff", `${histories}:succeeds`, `${histories}:stops`]);
    expect(parted).toMatchObject({ code: 1, stderr: "" });
    expect(parted.stdout).toContain("B continues with stopRequested");
    expect(await call(["diff", `${histories}:fails`, "fails", "--state-dir", histories])).toMatchObject({
      code: 0,
    });
    expect((await call(["why", `${histories}:resists`])).stdout).toContain("so it was killed");
  });

  it("exits with 2 if it cannot compare", async () => {
    const wrong = [
      [["diff", `${histories}:fails`], /^TASK_NOT_FOUND: there is no run -1: the log holds one run/],
      [["diff", `${histories}:fials`, histories], /^TASK_NOT_FOUND: .*\nhint: Did you mean fails\?/],
      [["diff", "a", "b", "--state-dir", "/nowhere"], /^STORE_FAILED: there is no event log in \/nowhere/],
      [["diff", import.meta.filename, "b"], /^BUNDLE_INVALID: /],
    ] as const;
    for (const [args, message] of wrong) {
      expect(await call(args)).toMatchObject({ code: 2, stdout: "", stderr: expect.stringMatching(message) });
    }
  });
});
