import { spawnSync } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";

const source = join(import.meta.dirname, "../../../src/effects/kernel/execve.ts");

/** A Node that executes the program. It inherits a descriptor beside the standard streams. */
function replaced(program: string, argv: readonly string[], env: readonly string[]) {
  const script = `import { execve } from ${JSON.stringify(source)};
    execve(...${JSON.stringify([program, argv, env])});`;
  const further = openSync("/dev/null", "r");
  try {
    return spawnSync(process.execPath, ["--input-type=module", "-e", script], {
      encoding: "utf8",
      input: "given",
      stdio: ["pipe", "pipe", "pipe", further],
    });
  } finally {
    closeSync(further);
  }
}

it("replaces the program: the new one gets arguments, environment and standard streams, and no other file", () => {
  const script = 'echo "$0 $1|$A,$B,$HOME|$(cat)"; ls /proc/$$/fd/3 >&2; true';
  const argv = ["name", "-c", script, "zeroth", "é"];
  expect(replaced("/bin/sh", argv, ["A=1", "B=", "PATH=/usr/bin:/bin"])).toMatchObject({
    status: 0,
    stdout: "zeroth é|1,,|given\n",
    stderr: expect.stringMatching(/fd\/3.*No such file/),
  });
});

it("says which program cannot be executed, and why", () => {
  const { status, stderr } = replaced("/nowhere", ["x"], []);
  expect(status).toBe(1);
  expect(stderr).toContain("failed: { call: 'execve', errno: 'ENOENT', path: '/nowhere' }");
});
