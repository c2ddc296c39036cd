import { spawnSync } from "node:child_process";
import { mkdirSync, realpathSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findCgroup2Mount } from "../../../src/effects/cgroup/cgroup.ts";
import type { Access } from "../../../src/effects/observe/access.ts";
import { type Observer, openObserver } from "../../../src/learn/observe/observer.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";

let observer: Observer;
let count = 0;
const cgroups: string[] = [];

beforeAll(() => {
  // The argument is the depth of the watched cgroups below the root of the cgroup tree.
  observer = openObserver(1);
});

afterAll(() => {
  observer?.close();
  for (const cgroup of cgroups) rmdirSync(cgroup);
});

/** The accesses of a shell in its own cgroup, and its output. */
function watch(script: string, cwd = "/"): { accesses: readonly Access[]; out: string } {
  count += 1;
  const cgroup = join(findCgroup2Mount() ?? "", `exec2-observer-${process.pid}-${count}`);
  mkdirSync(cgroup);
  cgroups.push(cgroup);
  observer.watch(cgroup);
  const joined = `echo $$ > ${cgroup}/cgroup.procs; exec sh -c "$0"`;
  const { stdout } = spawnSync("sh", ["-c", joined, script], { cwd, encoding: "utf8" });
  return { accesses: observer.read(cgroup), out: stdout };
}

const named = (accesses: readonly Access[], path: string) =>
  accesses.filter((each) => each.kind === "named" && each.path === path);

describe("an observer", () => {
  it("sees opened files by their paths without symlinks", () => {
    const folder = realpathSync(temporaryFolder());
    spawnSync("sh", ["-c", "mkdir a; echo text > a/file; ln -s a b"], { cwd: folder });
    const { accesses, out } = watch("cat b/./file; exec 3< b; cat /proc/self/fd/3/file", folder);
    expect(out).toBe("text\ntext\n");
    const opened = { kind: "opened", path: `${folder}/a/file`, read: true, write: false, created: false };
    expect(accesses).toContainEqual(opened);
    expect(named(accesses, `${folder}/b/./file`)).toEqual([
      expect.objectContaining({ use: "open", errno: 0 }),
    ]);
  });

  it("sees created, renamed, linked and removed files", () => {
    const folder = realpathSync(temporaryFolder());
    const { accesses } = watch("echo > a; ln a b; mv b c; ln -s x d; mkdir e; rmdir e; rm a c d", folder);
    const uses = (name: string) =>
      named(accesses, `${folder}/${name}`).flatMap((each) =>
        each.kind === "named" && each.errno === 0 ? each.use : [],
      );
    expect(accesses).toContainEqual({
      kind: "opened",
      path: `${folder}/a`,
      read: false,
      write: true,
      created: true,
    });
    expect(uses("b")).toEqual(expect.arrayContaining(["make", "remove"]));
    expect(uses("c")).toEqual(expect.arrayContaining(["make", "remove"]));
    expect(uses("d")).toEqual(expect.arrayContaining(["make", "remove"]));
    expect(uses("e")).toEqual(expect.arrayContaining(["make", "remove"]));
  });

  it("sees programs, scripts with their interpreters, and attempted names", () => {
    const folder = realpathSync(temporaryFolder());
    writeFileSync(join(folder, "script"), "#!/usr/bin/env -S sh\necho run\n", { mode: 0o755 });
    const { accesses, out } = watch("./script; test -e /nonexistent/x", folder);
    expect(out).toBe("run\n");
    expect(named(accesses, `${folder}/./script`)).toContainEqual(expect.objectContaining({ use: "execute" }));
    expect(accesses).toContainEqual({ kind: "executed", path: realpathSync("/usr/bin/env") });
    expect(accesses).toContainEqual({ kind: "executed", path: realpathSync("/bin/sh") });
    expect(named(accesses, "/nonexistent/x")).toEqual([expect.objectContaining({ use: "lookUp", errno: 2 })]);
  });

  it("sees ports and sockets", () => {
    const { accesses } = watch(
      `perl -MSocket -e 'socket(A, AF_INET, SOCK_STREAM, 0); bind(A, sockaddr_in(0, INADDR_LOOPBACK)); ` +
        `socket(B, AF_INET, SOCK_STREAM, 0); connect(B, sockaddr_in(9, INADDR_LOOPBACK)); ` +
        `socket(C, AF_UNIX, SOCK_STREAM, 0); connect(C, sockaddr_un("/nonexistent/socket"))'`,
    );
    expect(accesses).toContainEqual({ kind: "bound", port: 0, tcp: true });
    expect(accesses).toContainEqual({ kind: "connected", address: "127.0.0.1", port: 9, tcp: true });
    expect(named(accesses, "/nonexistent/socket")).toEqual([
      expect.objectContaining({ use: "connect", errno: 2 }),
    ]);
  });

  it("sees addresses of all families, of messages too, and what name servers have answered", () => {
    const { accesses } = watch(
      `unshare -n sh -c 'ip link set lo up; exec python3 "$0"' ${fileURLToPath(new URL("../../fixtures/learn/asks.py", import.meta.url))}`,
    );
    for (const [address, port, tcp] of [
      ["192.0.2.1", 1, false],
      ["192.0.2.2", 2, false],
      ["2001:db8::1", 3, true],
      ["192.0.2.3", 4, true],
      ["127.0.0.1", 53, false],
    ] as const)
      expect(accesses).toContainEqual({ kind: "connected", address, port, tcp });
    expect(accesses).toContainEqual({
      ...{ kind: "answered", server: "127.0.0.1", name: "db.example.org", asksForAddress: true },
      addresses: ["198.51.100.7"],
    });
  });

  it("sees capabilities, if the kernel reports them", ({ skip }) => {
    if (!observer.seesCapabilities) skip("needs Linux 6.13");
    const { accesses } = watch("setpriv --bounding-set -chown true");
    expect(accesses).toContainEqual({ kind: "capability", number: 8, refused: false });
  });

  it("sees nothing of other cgroups, loses nothing, and sees every process", () => {
    const { accesses } = watch(
      "for i in 1 2 3 4 5 6 7 8; do (for j in 1 2 3 4 5 6 7 8 9; do : < /proc/self/stat; test -e /x$i$j; done) & done; wait",
    );
    spawnSync("cat", ["/etc/hostname"]);
    const looked = accesses.filter((each) => each.kind === "named" && /^\/x\d\d$/.test(each.path));
    expect(looked).toHaveLength(72);
    expect(named(accesses, "/etc/hostname")).toEqual([]);
    expect(observer.lost()).toBe(0);
  });

  it("counts lost notes", () => {
    watch(`test -e /$(printf '%02000d' 1)`);
    expect(observer.lost()).toBeGreaterThan(0);
  });
});
