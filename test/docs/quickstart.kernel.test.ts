/** docs/quickstart.md: its files are valid, and its job fails and is corrected as the page says. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { temporaryFolder } from "../support/host/temporaryFolder.ts";
import { start } from "../support/screen/commandLine.ts";

const page = readFileSync(join(import.meta.dirname, "../../docs/quickstart.md"), "utf8");
/** The files that the page's commands write, by their names. */
const files = new Map(
  [...page.matchAll(/^cat > (\S+) <<'END'\n(.*?)^END$/gms)].map(([, name = "", text = ""]) => [name, text]),
);

function written(name: string, change: (text: string) => string = (text) => text): string {
  const path = join(temporaryFolder(), name);
  writeFileSync(path, change(files.get(name) ?? ""));
  return path;
}

it("writes a valid configuration and a valid job", async () => {
  expect([...files.keys()]).toEqual(["exec2.hcl", "release.nomad.hcl"]);
  for (const name of files.keys()) {
    const { code, stdout, stderr } = await start(["validate", written(name)]).ended;
    expect([code, stderr], stdout).toEqual([0, ""]);
  }
});

it("has a job whose first run fails for want of a path, and whose second run succeeds", async () => {
  const [entry = ""] = /unveil = \["r:[^\]]*"\]/.exec(page) ?? [];
  const stateDir = join(temporaryFolder(), "state");
  const run = (path: string) => start(["run", "--state-dir", stateDir, path]).ended;
  const failed = await run(written("release.nomad.hcl"));
  expect(failed.stderr).toContain("No such file or directory");
  expect(failed.code).toBe(1);
  const why = await start(["why", "--state-dir", stateDir, "show"]).ended;
  // With a black box, the text has the entry for unveil, too.
  expect(why.stdout).toMatch(
    /^(Its last line names \/etc\/debian_version: nothing is there|Nothing at \/etc\/debian_version) in its root; the host has it/m,
  );
  const corrected = await run(
    written("release.nomad.hcl", (text) => text.replace(/^ *args .*$/m, `$&\n${entry}`)),
  );
  expect(corrected.code).toBe(0);
});
