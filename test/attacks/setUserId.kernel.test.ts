/** A task leaves programs with set-user-ID bits where users of the host can execute them. */
import { execFileSync } from "node:child_process";
import { chmodSync, statSync } from "node:fs";
import { expect, it } from "vitest";
import { setUserIdFiles } from "../support/attacks/scripts.ts";
import { temporaryFolder } from "../support/host/temporaryFolder.ts";
import { filterOf, taskLines, taskUid } from "../support/launch/launchRun.ts";

it.each(Object.keys(setUserIdFiles))("%s leaves such a file only without the filter", async (way) => {
  const attempt = async (filter: ReturnType<typeof filterOf>) => {
    const folder = temporaryFolder();
    chmodSync(folder, 0o777);
    const said = await taskLines(`${setUserIdFiles[way]} 2>&1`, { workDir: folder, filter });
    return { folder, said: said.join("\n"), left: bitsOf(`${folder}/program`) };
  };
  const free = await attempt(undefined);
  expect(free).toMatchObject({ said: "", left: 0o4000 });
  const { said, left } = await attempt(filterOf());
  expect(said).toMatch(way.endsWith("in memory") ? /Function not implemented/ : /Operation not permitted/);
  expect(left).toBe(0);
});

it("anyone who runs such a program has the task's rights", async () => {
  const folder = temporaryFolder();
  chmodSync(folder, 0o777);
  await taskLines("cp /usr/bin/id program && chmod 4755 program", { workDir: folder });
  const stranger = { uid: 65_534, gid: 65_534, encoding: "utf8" } as const;
  expect(execFileSync(`${folder}/program`, ["-u"], stranger)).toBe(`${taskUid}\n`);
});

it("other modes are still allowed, and mkdir ignores such bits anyway", async () => {
  const folder = temporaryFolder();
  chmodSync(folder, 0o777);
  const script =
    "touch a && chmod 1755 a && mkdir -m 700 b && install -m 640 a c && perl -e 'mkdir(\"d\", 06755)' && stat -c %a a b c d";
  expect(await taskLines(script, { workDir: folder, filter: filterOf() })).toEqual([
    "1755",
    "700",
    "640",
    "755",
  ]);
});

/** The set-user-ID and set-group-ID bits of a file; 0 if it does not exist. */
function bitsOf(path: string): number {
  return (statSync(path, { throwIfNoEntry: false })?.mode ?? 0) & 0o6000;
}
