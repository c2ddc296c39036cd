/** `may` and `exposure`, on a recorded history. */
import { join } from "node:path";
import { expect, it } from "vitest";
import { call } from "../../support/screen/commandLine.ts";

const place = ["--state-dir", join(import.meta.dirname, "../../../docs/histories/denied.jsonl")];
const task = "bd0aa880";

it("may answers by its exit code, too, and refuses what is no access", async () => {
  expect(await call(["may", task, "read", "/usr/bin/sh", ...place])).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^Yes: unveiled by rx:\/usr\/bin \(default paths\);/),
  });
  const refused = await call(["may", task, "read", "/etc/passwd", "--json", ...place]);
  expect(refused.code).toBe(1);
  expect(JSON.parse(refused.stdout)).toMatchObject({ allowed: false, rule: "no unveiled path has it" });
  expect(await call(["may", task, "fly", ...place])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("ACCESS_INVALID"),
  });
});

it("exposure shows the most serious opening first", async () => {
  const { code, stdout } = await call(["exposure", task, ...place]);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^high +root = "host"\n/);
  expect(stdout).toContain("\nClosed: its own user (uid ");
  expect(stdout).toContain("\nHighest risk: high.");
});
