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
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { O_DIRECTORY, O_TMPFILE } from "../../../src/effects/kernel/constants.ts";
import type { Restriction } from "../../../src/effects/seccomp/restriction.ts";
import { runTask, startAgent } from "../../support/agent/agent.ts";
import { makeAllocation } from "../../support/agent/allocation.ts";
import { persistentFolders, temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { builtEntry } from "../../support/plugin/pluginEntry.ts";
import { startPlugin } from "../../support/plugin/startPlugin.ts";
import { call, type Ended, shellJob, start } from "../../support/screen/commandLine.ts";

const fixture = fileURLToPath(new URL("../../fixtures/filtered.ts", import.meta.url));

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

/** Folders for the addons, beside the executable's own. */
const places = ["/dev/shm", "/run", "/tmp", "/var/tmp"];

describe("the executable's native addons", () => {
  it("are not loaded for the first launch, of which an agent asks only the name and the options", async () => {
    const plugin = await startPlugin({ entry: builtEntry });
    await plugin.base.pluginInfo({});
    await plugin.base.configSchema({});
    expect(codeWithoutName(plugin.pid)).toEqual([]);
  });

  it("are loaded from files without names, and leave no descriptor open", async () => {
    const agent = await startAgent({ entry: builtEntry });
    expect(await runTask(agent, makeAllocation().config("true"))).toMatchObject({ exitCode: 0 });
    expect(codeWithoutName(agent.pid)).toHaveLength(2);
    const descriptors = readdirSync(`/proc/${agent.pid}/fd`);
    const open = descriptors.map((descriptor) => readlinkSync(`/proc/${agent.pid}/fd/${descriptor}`));
    expect(open.filter((path) => path.includes("/#"))).toEqual([]);
  });

  it.each([
    { which: "/dev/shm is", noexec: ["/dev/shm"] },
    { which: "all folders but the executable's own are", noexec: places },
  ])("are loaded although $which mounted noexec", async ({ noexec }) => {
    expect(await runElsewhere({ noexec })).toMatchObject({ code: 0, stdout: "ran\nleft: 0\n" });
  });

  it("are loaded from files whose names are removed at once, if a file system has none without names", async () => {
    expect(await runElsewhere({ restrictions: [noUnnamedFiles] })).toMatchObject({
      code: 0,
      stdout: "ran\nleft: 0\n",
    });
  });

  it("are refused with a hint if no new file may be executed at all", async () => {
    const ended = await runElsewhere({ noexec: places, readOnly: true });
    expect(ended.code).toBe(125);
    expect(ended.stderr).toMatch(/koffi\.node cannot be loaded: /);
    expect(ended.stderr).toMatch(/^hint: Make one of \/dev\/shm, .* without noexec$/m);
    expect(ended.stdout).toBe("left: 0\n");
  });
});

/** The files without names whose code a process has mapped. The kernel shows them as `#<inode>`. */
function codeWithoutName(pid: number): string[] {
  const maps = readFileSync(`/proc/${pid}/maps`, "utf8");
  return [...maps.matchAll(/ r-xp \S+ \S+ (\d+) +(\S+\/#\1) \(deleted\)$/gm)].map(([, , path = ""]) => path);
}

const noUnnamedFiles: Restriction = {
  calls: ["openat"],
  when: [{ argument: 2, hasAnyBitOf: O_TMPFILE & ~O_DIRECTORY }],
  errno: "EOPNOTSUPP",
};

/** Where {@link runElsewhere} runs a job. */
interface Surroundings {
  /** Folders that are mounted `noexec`. */
  readonly noexec?: readonly string[];
  /** Whether the executable's folder is read-only. */
  readonly readOnly?: boolean;
  /** System calls that are refused. */
  readonly restrictions?: readonly Restriction[];
}

/** Runs a job, in a mount namespace of its own, and counts the files that the executable has left. */
async function runElsewhere({
  noexec = [],
  readOnly = false,
  restrictions = [],
}: Surroundings): Promise<Ended> {
  const folder = temporaryFolder(persistentFolders);
  const job = join(folder, "job.nomad.hcl");
  copyFileSync(shellJob("echo ran"), job);
  // Copies the executable, because one of the mounts may hide the checkout.
  const programs = join(folder, "programs");
  const executable = join(programs, "nomad-driver-exec2");
  mkdirSync(programs);
  copyFileSync(builtEntry, executable);
  const script = `
    ${noexec.map((parent) => `mount -t tmpfs -o noexec tmpfs ${parent}`).join("\n")}
    ${readOnly ? `mount --bind ${programs} ${programs} && mount -o remount,bind,ro ${programs}` : ""}
    "$@"
    code=$?
    echo left: $(find ${[...places, programs].join(" ")} -maxdepth 1 -name 'exec2-addon-*' | wc -l)
    exit $code`;
  const filtered = [process.execPath, fixture, JSON.stringify(restrictions)];
  const unshare = ["unshare", "--mount", "sh", "-c", script, "sh"];
  return call(["run", "--state-dir", join(folder, "state"), job], {
    program: [...filtered, "/usr/bin/env", ...unshare, executable],
  });
}
