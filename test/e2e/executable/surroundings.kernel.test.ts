/** The executable with unusual callers, and on hosts with other settings. */
import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { runTask, startAgent } from "../../support/agent/agent.ts";
import { makeAllocation } from "../../support/agent/allocation.ts";
import { persistentFolders, temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { builtEntry } from "../../support/plugin/pluginEntry.ts";
import { call, type Ended, shellJob, start } from "../../support/screen/commandLine.ts";

describe("the executable works if it is called", () => {
  it("through symlinks, from any folder", async () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, "plugins"));
    symlinkSync(builtEntry, join(folder, "first"));
    symlinkSync("../first", join(folder, "plugins/nomad-driver-exec2"));
    const job = shellJob("echo ran");
    for (const [program, cwd] of [
      ["plugins/nomad-driver-exec2", folder],
      ["./nomad-driver-exec2", join(folder, "plugins")],
      [join(folder, "plugins/nomad-driver-exec2"), "/"],
    ] as const) {
      const ended = await call(["run", "--state-dir", join(folder, "state"), job], {
        program: [program],
        cwd,
      });
      expect(ended, program).toMatchObject({ code: 0, stdout: "ran\n" });
    }
  });

  it("with fewer open files than its runtime needs: it raises the limit, or says that it cannot", async () => {
    const limited = (limit: number) => ({
      program: ["sh", "-c", `ulimit -n ${limit}; exec "$0" "$@"`, builtEntry],
    });
    const mayRaise = spawnSync("sh", ["-c", "ulimit -n 20; ulimit -Hn 21"]).status === 0;
    const runs = { code: 0, stdout: expect.stringMatching(/^nomad-driver-exec2 /) };
    const asks = {
      code: 125,
      stderr: expect.stringMatching(/^error: too many open files\nhint: .*ulimit -n 64$/m),
    };
    expect(await call(["version"], limited(20))).toMatchObject(mayRaise ? runs : asks);
    expect(await call(["version"], limited(30))).toMatchObject(runs);
  });

  it("by several agents at once", async () => {
    const agents = await Promise.all(Array.from({ length: 8 }, () => startAgent({ entry: builtEntry })));
    const exits = agents.map((agent) => runTask(agent, makeAllocation().config("exit 3")));
    for (const exit of await Promise.all(exits)) expect(exit).toMatchObject({ exitCode: 3 });
  });

  it("and its file is then removed: it can still launch its plugin again", async () => {
    const folder = temporaryFolder();
    const copy = join(folder, "nomad-driver-exec2");
    copyFileSync(builtEntry, copy);
    const job = shellJob("exec sleep 1000");
    const running = start(["run", "--state-dir", join(folder, "state"), job], { program: [copy] });
    await running.seen("task: started", "stderr");
    rmSync(copy);
    const first = running.plugin();
    process.kill(first, "SIGKILL");
    await running.seen("restarting it", "stderr");
    await expect.poll(() => running.plugin()).not.toBe(first);
    await expect.poll(() => readlinkSync(`/proc/${running.plugin()}/exe`)).toBe(`${copy} (deleted)`);
  });
});

describe("the executable's native addon", () => {
  it("is loaded from memory, and leaves no descriptor open", async () => {
    const agent = await startAgent({ entry: builtEntry });
    expect(readFileSync(`/proc/${agent.pid}/maps`, "utf8")).toMatch(
      /r-xp .* \/memfd:lmdb\.node \(deleted\)$/m,
    );
    const descriptors = readdirSync(`/proc/${agent.pid}/fd`);
    const open = descriptors.map((descriptor) => readlinkSync(`/proc/${agent.pid}/fd/${descriptor}`));
    expect(open.filter((path) => path.includes("lmdb.node"))).toEqual([]);
  });

  it("is loaded from a folder, which is then removed, if memory may not be executed", async () => {
    const ended = await withoutMemfds("/run");
    expect(ended).toMatchObject({ code: 0, stdout: "ran\nleft: 0\n" });
  });

  it("is refused with a hint if no new file may be executed at all", async () => {
    const ended = await withoutMemfds("/run", "/dev/shm", "/tmp", "/var/tmp");
    expect(ended.code).toBe(125);
    expect(ended.stderr).toContain("lmdb.node can be loaded neither from memory nor from a folder");
    expect(ended.stderr).toContain("Set the sysctl vm.memfd_noexec to 1 or 0");
  });
});

/**
 * Runs a job with vm.memfd_noexec = 2, which is a setting of the pid namespace, and with folders mounted
 * `noexec`.
 */
async function withoutMemfds(...noexec: readonly string[]): Promise<Ended> {
  const folder = temporaryFolder(persistentFolders);
  const job = join(folder, "job.nomad.hcl");
  copyFileSync(shellJob("echo ran"), job);
  const script = `
    mount -t proc proc /proc
    echo 2 > /proc/sys/vm/memfd_noexec
    ${noexec.map((parent) => `mount -t tmpfs -o noexec tmpfs ${parent}`).join("\n")}
    "$@" || exit
    echo left: $(find /run /dev/shm /tmp /var/tmp -maxdepth 1 -name 'exec2-addon-*' | wc -l)`;
  const unshare = ["unshare", "--pid", "--mount", "--fork", "--kill-child", "sh", "-c", script, "sh"];
  // Copies the executable, because one of the mounts may hide the checkout.
  const executable = join(folder, "nomad-driver-exec2");
  copyFileSync(builtEntry, executable);
  return call(["run", "--state-dir", join(folder, "state"), job], { program: [...unshare, executable] });
}
