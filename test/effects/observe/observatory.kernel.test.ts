import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findCgroup2Mount } from "../../../src/effects/cgroup/cgroup.ts";
import type { Access } from "../../../src/effects/observe/access.ts";
import { Observatory } from "../../../src/effects/observe/observatory.ts";
import { MAX_NOTES } from "../../../src/effects/observe/setPrograms.ts";

const mount = findCgroup2Mount() ?? "";
let observatory: Observatory;
const cgroups: string[] = [];
const folder = mkdtempSync("/var/tmp/exec2-observatory-");

beforeAll(async () => {
  observatory = await Observatory.open(mount);
});

afterAll(() => {
  observatory[Symbol.dispose]();
  for (const cgroup of cgroups.toReversed()) rmdirSync(cgroup);
  rmSync(folder, { recursive: true });
});

function makeCgroup(parent = mount): string {
  const cgroup = join(parent, `exec2-observatory-${process.pid}-${cgroups.length}`);
  mkdirSync(cgroup);
  cgroups.push(cgroup);
  return cgroup;
}

/** Runs a command of the shell in a cgroup. */
function run(cgroup: string, command: string): void {
  const joined = `echo $$ > ${cgroup}/cgroup.procs; exec sh -c "$0"`;
  const { status, stderr } = spawnSync("sh", ["-c", joined, command], { encoding: "utf8" });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
}

async function seenOf(command: string): Promise<readonly Access[]> {
  const cgroup = makeCgroup();
  using watched = observatory.watch(cgroup);
  run(cgroup, command);
  const seen = await watched.read();
  expect(seen?.lost).toBe(0);
  return seen?.accesses ?? [];
}

const opened = (path: string, mode: "read" | "write") =>
  expect.objectContaining({ kind: "opened", path, [mode]: true });

describe("the set of a run", () => {
  it("has files by what was done with them, once", async () => {
    const [one, other] = [join(folder, "one"), join(folder, "other")];
    const seen = await seenOf(
      `echo > ${one}; mv ${one} ${other}; cat ${other} ${other}; cat ${other}; rm ${other}`,
    );
    expect(seen).toContainEqual({ kind: "opened", path: one, read: false, write: true, created: true });
    expect(seen.filter((each) => each.kind === "opened" && each.path === other)).toHaveLength(1);
    expect(seen).toContainEqual(opened(other, "read"));
    for (const [use, path] of [
      ["make", other],
      ["remove", one],
      ["remove", other],
    ])
      expect(seen).toContainEqual(expect.objectContaining({ kind: "named", use, path, errno: 0 }));
    expect(seen).toContainEqual({ kind: "named", use: "remove", path: one, errno: 0, moves: "from" });
    expect(seen).toContainEqual({ kind: "named", use: "make", path: other, errno: 0, moves: "to" });
    expect(seen).toContainEqual({ kind: "executed", path: "/usr/bin/cat" });
  });

  it("has nothing that was refused, or is not there", async () => {
    const seen = await seenOf(
      `test -e ${folder}/none; ! test -r ${folder}/none; ! cat ${folder}/none 2> /dev/null`,
    );
    expect(seen.filter((each) => "path" in each && each.path.endsWith("/none"))).toEqual([]);
  });

  it("has ports and addresses, of both families", async () => {
    const code = `
import socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen()
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.sendto(b"x", ("127.0.0.2", 9))
for address in ("::1", "::2"):
  try: socket.socket(socket.AF_INET6).connect((address, 1))
  except OSError: pass
socket.create_connection(s.getsockname())`;
    const seen = await seenOf(`exec python3 -c '${code}'`);
    expect(seen).toContainEqual({ kind: "bound", port: 0, tcp: true });
    expect(seen).toContainEqual({ kind: "connected", address: "127.0.0.2", port: 9, tcp: false });
    expect(seen).toContainEqual({ kind: "connected", address: "::1", port: 1, tcp: true });
    expect(seen).toContainEqual({ kind: "connected", address: "::2", port: 1, tcp: true });
  });

  it("has only what is new since it was read, also of a cgroup below", async () => {
    const cgroup = makeCgroup();
    const below = makeCgroup(cgroup);
    using watched = observatory.watch(cgroup);
    run(cgroup, "cat /etc/hostname > /dev/null");
    expect((await watched.read())?.accesses).toContainEqual(opened("/etc/hostname", "read"));
    run(below, "cat /etc/hostname /etc/hosts > /dev/null");
    const later = (await watched.read())?.accesses ?? [];
    expect(later).toContainEqual(opened("/etc/hosts", "read"));
    expect(later).not.toContainEqual(opened("/etc/hostname", "read"));
  });

  it("tells whoever wants to know that it has anything new, and not of what it has", async () => {
    const cgroup = makeCgroup();
    let told = 0;
    using watched = observatory.watch(cgroup, () => (told += 1));
    run(cgroup, "cat /etc/hostname > /dev/null");
    await expect.poll(() => told).toBe(1);
    expect((await watched.read())?.accesses).toContainEqual(opened("/etc/hostname", "read"));
    run(cgroup, "cat /etc/hostname > /dev/null");
    // The bell rings for another run, and had rung for this one before.
    const other = makeCgroup();
    let ofOther = 0;
    using _other = observatory.watch(other, () => (ofOther += 1));
    run(other, "cat /etc/hostname > /dev/null");
    await expect.poll(() => ofOther).toBe(1);
    expect(told).toBe(1);
    run(cgroup, "cat /etc/hosts > /dev/null");
    await expect.poll(() => told).toBe(2);
  });

  it("is full at its bound, says so, and takes nothing from another run's", async () => {
    const [hostile, other] = [makeCgroup(), makeCgroup()];
    using ofHostile = observatory.watch(hostile);
    using ofOther = observatory.watch(other);
    const many = MAX_NOTES + 200;
    run(
      hostile,
      `cd ${folder}; exec perl -e 'for (1 .. ${many}) { open(F, ">", "f$_"); close(F); unlink("f$_") }'`,
    );
    run(other, "cat /etc/hostname > /dev/null");
    const full = await ofHostile.read();
    expect(full?.accesses).toHaveLength(MAX_NOTES);
    expect(full?.lost).toBeGreaterThan(many - MAX_NOTES);
    const seen = await ofOther.read();
    expect(seen?.lost).toBe(0);
    expect(seen?.accesses).toContainEqual(opened("/etc/hostname", "read"));
  });

  it("is that of the newest run in a cgroup", async () => {
    const cgroup = makeCgroup();
    const first = observatory.watch(cgroup);
    run(cgroup, "cat /etc/hostname > /dev/null");
    using second = observatory.watch(cgroup);
    run(cgroup, "cat /etc/hosts > /dev/null");
    expect(await first.read()).toBeUndefined();
    first[Symbol.dispose]();
    const seen = (await second.read())?.accesses ?? [];
    expect(seen).toContainEqual(opened("/etc/hosts", "read"));
    expect(seen).not.toContainEqual(opened("/etc/hostname", "read"));
    expect(observatory.missed).toBe(0);
  });
});
