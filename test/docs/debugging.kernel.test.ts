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

  const why = await call(["why", "--state-dir", bad]);
  expect(why.stdout).toContain("Apart from its own folders and the default paths, it could use nothing");
  const bundle = join(bad, "bundle.jsonl");
  writeFileSync(bundle, (await call(["export", "count", "--state-dir", bad])).stdout);
  const { code, stdout } = await call(["diff", bundle, "count", "--state-dir", good]);
  expect(code).toBe(1);
  expect(stdout.replaceAll(/\s+/g, " ")).toContain(
    "They diverge after started (event 4): A continues with exited: exit code 2 [5], B continues with exited: exit code 0 [5]. " +
      "Their input differs: options.unveil (requested, event 1); unveiled (sandboxed, event 3).",
  );
});
