/** Reproduces on this host the problem of docs/debugging.md that needs no virtual machine. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../support/host/temporaryFolder.ts";
import { call } from "../support/screen/commandLine.ts";

test("the job that is denied its file succeeds once the file is unveiled, and diff names this difference", async () => {
  const [bad, good] = [temporaryFolder(), temporaryFolder()];
  const job = "examples/denied.nomad.hcl";
  // Switches denials off, because the histories must not depend on the host's audit.
  const options = join(bad, "options.hcl");
  writeFileSync(options, 'denials = "off"\n');
  const run = ["run", "--plugin-config", options, "--state-dir"];
  const denied = await call([...run, bad, job]);
  expect(denied).toMatchObject({ code: 2, stdout: "" });
  expect(denied.stderr).toContain("grep: /etc/passwd: No such file or directory\n");
  const allowed = await call([...run, good, "--var", 'unveil=["r:/etc/passwd"]', job]);
  expect(allowed).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\d+\n$/) });

  // The sentences themselves have tests of their own: why names what the sandbox had, and how the task ended.
  const why = JSON.parse((await call(["why", "--json", "--state-dir", bad])).stdout);
  expect(why.sentences.flatMap(({ events }: { events: number[] }) => events)).toEqual(
    expect.arrayContaining([3, 5]),
  );
  const bundle = join(bad, "bundle.jsonl");
  writeFileSync(bundle, (await call(["export", "count", "--state-dir", bad])).stdout);
  const { code, stdout } = await call(["diff", "--json", bundle, "count", "--state-dir", good]);
  expect(code).toBe(1);
  const { divergence, rows } = JSON.parse(stdout);
  expect(divergence).toEqual({ left: 5, right: 5 });
  expect([rows[0].left.data.options.unveil, rows[0].right.data.options.unveil]).toEqual([
    undefined,
    ["r:/etc/passwd"],
  ]);
  expect([rows[4].left.data.exitCode, rows[4].right.data.exitCode]).toEqual([2, 0]);
});
