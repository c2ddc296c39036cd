/** `replay --policy` shows what other options would have refused to recorded runs. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { call, shellJob } from "../../support/screen/commandLine.ts";

it("replay --policy tells which runs a stricter plugin, or another job file, would change", {
  timeout: 60_000,
}, async () => {
  const folder = temporaryFolder();
  const state = ["--state-dir", join(folder, "state")];
  const file = (name: string, text: string) => {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  };
  const job = shellJob("true");
  const unveiling = readFileSync(job, "utf8").replace(
    "config {",
    'config {\n unveil = ["r:/etc/hostname", "r:/etc/mime.types"]',
  );
  writeFileSync(job, unveiling);
  for (let count = 0; count < 2; count++)
    expect(await call(["run", ...state, job])).toMatchObject({ code: 0 });
  const policy = (path: string, ...more: string[]) => call(["replay", ...state, "--policy", path, ...more]);

  const loose = file(
    "loose.hcl",
    'plugin "nomad-driver-exec2" {\n  config {\n    unveil_by_task = true\n  }\n}\n',
  );
  expect(await policy(loose)).toMatchObject({
    code: 0,
    stdout: expect.stringContaining("all 2 runs would have been the same"),
  });

  const strict = file("strict.hcl", "unveil_by_task = false\n");
  const refused = await policy(strict);
  expect(refused).toMatchObject({
    code: 1,
    stdout: expect.stringContaining("2 of 2 runs would have been different"),
  });
  expect(refused.stdout).toMatch(
    /^[0-9a-f]{8}\/task, and 1 more alike:\n {2}its start would be refused: .*"unveil"/,
  );
  const [first = ""] = (await policy(strict, "--json")).stdout.split("\n");
  expect(JSON.parse(first)).toMatchObject({ refused: [expect.stringContaining("unveil")], lost: [] });

  // /etc/hostname is also a default path, so the runs do not need its entry.
  const less = file("less.hcl", unveiling.replace('"r:/etc/hostname", ', ""));
  expect(await policy(less, "task")).toMatchObject({ code: 0 });
  const none = file("none.hcl", unveiling.replace(/ unveil = .*/, ""));
  expect(await policy(none, "task")).toMatchObject({
    code: 1,
    stdout: expect.stringContaining("it would not have: r:/etc/mime.types"),
  });

  expect(await policy(join(folder, "missing"))).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("the policy cannot be read"),
  });
  expect(await policy(file("wrong.hcl", "unveil_by_tsk = true\n"))).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("unveil_by_tsk"),
  });
});
