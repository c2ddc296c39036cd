/** What happens to this thread's own rights around calls that are made as another user. */
import { spawnSync } from "node:child_process";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { asFileUser } from "../../../src/effects/kernel/fileUser.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";

const user = { uid: 80001, gid: 80001, groups: [70001], capabilities: undefined };
const credentials = () =>
  readFileSync("/proc/thread-self/status", "latin1").match(/^(?:Uid|Gid|Groups|Cap\w+):.*$/gm);

it("the thread has its own ids and capabilities afterwards, also if the calls throw", () => {
  const before = credentials();
  const file = `${temporaryFolder()}/own`;
  writeFileSync(file, "");
  chmodSync(file, 0o600);
  expect(() => asFileUser(user, () => readFileSync(file))).toThrow(/EACCES/);
  expect(credentials()).toEqual(before);
  expect(readFileSync(file, "latin1")).toBe("");
});

it("a process that may not change its groups gets an error, and goes on", () => {
  const module = join(import.meta.dirname, "../../../src/effects/kernel/fileUser.ts");
  const script = `
    const { asFileUser } = await import(${JSON.stringify(module)});
    try { asFileUser(${JSON.stringify(user)}, () => console.log("acted")); } catch (thrown) { console.log(thrown.code, thrown.message); }
    console.log("goes on");`;
  const node = [process.execPath, "--input-type=module", "-e", script];
  const { status, stdout } = spawnSync(
    "setpriv",
    ["--bounding-set", "-setgid", "--inh-caps", "-setgid", ...node],
    {
      encoding: "utf8",
    },
  );
  expect(stdout).toMatch(/^KERNEL_CALL_FAILED .*setgroups: EPERM\)\ngoes on\n$/);
  expect(status).toBe(0);
});
