/**
 * All cases of `npm run test:agent`, with the real driver under an agent that is played: it shows that harness and cases
 * do what they say, and nothing about Nomad.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { temporaryFolder } from "../support/host/temporaryFolder.ts";

/** @param nomad what NOMAD is; undefined for no such variable */
function testAgent(nomad: string | undefined, { text = "", defect = "" } = {}) {
  const { NOMAD: _, ...env } = process.env;
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(import.meta.dirname, "main.ts"), text],
    { encoding: "utf8", env: { ...env, ...(nomad !== undefined && { NOMAD: nomad }), FAKE_DEFECT: defect } },
  );
  return { status, stdout, stderr };
}

function fakeNomad(): string {
  const path = join(temporaryFolder(), "nomad");
  const program = join(import.meta.dirname, "fake/nomad.ts");
  writeFileSync(path, `#!/bin/sh\nexec "${process.execPath}" "${program}" "$@"\n`);
  chmodSync(path, 0o755);
  return path;
}

const leftovers = () => readdirSync("/tmp").filter((name) => /^agent-\w{6}$/.test(name));

it("every case holds, for each of several Nomads, and nothing is left", () => {
  const nomad = fakeNomad();
  const before = leftovers();
  const { status, stdout } = testAgent(`${nomad}:${nomad}`);
  expect(stdout.match(/^✗.*(\n {4}.*)*/gm) ?? []).toEqual([]);
  expect(stdout.match(/^\d+ passed, 0 failed$/gm)).toHaveLength(2);
  expect(Number(/^(\d+) passed/m.exec(stdout)?.[1])).toBeGreaterThan(20);
  expect(stdout).toMatch(/\n2 of 2 Nomads passed\n$/);
  expect(status).toBe(0);
  expect(leftovers()).toEqual(before);
});

it("a defect of the agent is found, and one Nomad's failure fails the run", () => {
  const { status, stdout } = testAgent(fakeNomad(), { text: "exit code", defect: "exit codes" });
  expect(stdout).toMatch(/^✗ an exit code is reported as it is/m);
  expect(stdout).toMatch(/^0 of 1 Nomads passed$/m);
  expect(status).toBe(1);
});

it("without a Nomad, or a case of the name, nothing passes", () => {
  for (const nomad of [undefined, "", ":", "/nowhere/nomad"]) {
    const { status, stdout, stderr } = testAgent(nomad);
    expect([status, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(/^NOTHING WAS TESTED/);
  }
  const { status, stdout } = testAgent(fakeNomad(), { text: "no such case" });
  expect(status).toBe(1);
  expect(stdout).toContain("no case has such a name");
});

it("an agent that ends at its start is a failure with its words", () => {
  const { status, stdout } = testAgent("/bin/false");
  expect(status).toBe(1);
  expect(stdout).toContain("✗ the agent ended (1)");
  expect(existsSync("/sys/fs/cgroup/nomad.slice")).toBe(false);
});
