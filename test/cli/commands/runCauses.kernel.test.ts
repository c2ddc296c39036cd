/** `run` explains the failures of its tasks by the record of their calls, without any option. */
import { chmodSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { blackBoxProblem } from "../../support/host/blackBoxProblem.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { call, shellJob } from "../../support/screen/commandLine.ts";

const problem = await blackBoxProblem("causes with a black box");

/** A program that says nothing, and misses a file that the host has. */
function silentJob(): { readonly job: string; readonly path: string } {
  const folder = temporaryFolder("/var/tmp");
  chmodSync(folder, 0o755);
  const path = `${folder}/app.conf`;
  writeFileSync(path, "text", { mode: 0o644 });
  return { job: shellJob(`exec perl -e 'open(F, "<", $ARGV[0]) or exit 3' ${path}`), path };
}

/** What `why` says of a failed run, on one line; `run` names `why --prove` if there is something to try. */
async function explained(job: string, ...options: string[]): Promise<string> {
  const stateDir = temporaryFolder();
  const run = await call(["run", "--state-dir", stateDir, ...options, job]);
  expect(run.code).toBe(3);
  expect(run.stderr).not.toContain("black box");
  const { stdout } = await call(["why", "--state-dir", stateDir, "task"]);
  const text = stdout.replaceAll(/\s+/g, " ");
  expect(run.stderr.includes("--prove")).toBe(text.includes("unveil ="));
  return text;
}

describe("a failure under run", () => {
  it.skipIf(problem !== undefined)("has its cause from the record, without any option", async () => {
    const { job, path } = silentJob();
    expect(await explained(job)).toContain(`unveil = ["r:${path}"]`);
  });

  it("has no cause from a record that is turned off", async () => {
    const { job, path } = silentJob();
    const text = await explained(job, "-o", "black_box=off");
    expect(text).toContain("The cause is not known");
    expect(text).not.toContain(path);
  });
});
