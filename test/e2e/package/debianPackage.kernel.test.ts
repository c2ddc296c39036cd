/**
 * Installs the Debian package in a small Debian, upgrades and downgrades the package under running tasks, and
 * removes and purges it. `npm run package:deb` makes the package. Without a package, the tests are skipped
 * with a message.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, globSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, type TestContext } from "vitest";
import { type Agent, pidOf, runTask, startAgent, startTask, waitTask } from "../../support/agent/agent.ts";
import { type Allocation, makeAllocation } from "../../support/agent/allocation.ts";
import { makeDebian, makeNextVersion, runIn } from "../../support/host/debian.ts";
import { inRoot as entering } from "../../support/host/emptyRoot.ts";
import { leaveOut, requireTools } from "../../support/host/requireTools.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";

const release = join(import.meta.dirname, "../../../dist/release");
const [deb] = globSync(join(release, "*_amd64.deb"));
const link = "opt/nomad/data/plugins/nomad-driver-exec2";
const executable = "usr/bin/nomad-driver-exec2";
const stateDir = "/var/lib/nomad-driver-exec2";
let root: string | undefined;

beforeAll(() => {
  if (deb === undefined || spawnSync("debootstrap", ["--version"]).error) return;
  root = makeDebian();
  copyFileSync(deb, join(root, "package.deb"));
}, 600_000);

afterAll(() => {
  if (root !== undefined) rmSync(root, { recursive: true, force: true });
}, 60_000);

// dpkg and lintian read 120 MB each time.
describe("the package", { timeout: 300_000 }, () => {
  it("has no errors by lintian", (context) => {
    const path = needed(context).deb;
    requireTools(context, "lintian");
    const { stdout, status } = spawnSync("lintian", ["--fail-on=error", path], { encoding: "utf8" });
    expect(stdout).not.toMatch(/^E:/m);
    expect(status).toBe(0);
  });

  it("installs an executable that runs, its link, manual page, completions, documentation and examples", (context) => {
    const { folder, install } = needed(context);
    install();
    expect(runIn(folder, "nomad-driver-exec2", "version")).toMatch(/^nomad-driver-exec2 \d/);
    expect(runIn(folder, "readlink", `/${link}`)).toBe("/usr/bin/nomad-driver-exec2\n");
    for (const path of [
      "usr/share/bash-completion/completions/nomad-driver-exec2",
      "usr/share/zsh/vendor-completions/_nomad-driver-exec2",
      "usr/share/fish/vendor_completions.d/nomad-driver-exec2.fish",
      "usr/share/doc/nomad-driver-exec2/docs/install.md",
      "usr/share/doc/nomad-driver-exec2/examples/hello.nomad.hcl",
    ]) {
      expect(existsSync(join(folder, path)), path).toBe(true);
    }
    expect(runIn(folder, "dpkg", "-L", "nomad-driver-exec2")).toContain("man1/nomad-driver-exec2.1.gz");
    const copyright = runIn(folder, "cat", "/usr/share/doc/nomad-driver-exec2/copyright");
    expect(copyright).toMatch(/^Format: https:.*copyright-format\/1\.0\/$/m);
    expect(copyright).toMatch(/^Copyright: \d{4} .+\nLicense: Expat\n Permission is hereby granted/m);
  });

  it("can be reinstalled, keeps its link, and does not change a foreign link", (context) => {
    const { folder, install } = needed(context);
    install();
    expect(runIn(folder, "readlink", `/${link}`)).toBe("/usr/bin/nomad-driver-exec2\n");
    runIn(folder, "ln", "-sfn", "/elsewhere", `/${link}`);
    install();
    expect(runIn(folder, "readlink", `/${link}`)).toBe("/elsewhere\n");
    runIn(folder, "rm", `/${link}`);
    install();
    expect(runIn(folder, "readlink", `/${link}`)).toBe("/usr/bin/nomad-driver-exec2\n");
  });

  it("is upgraded and downgraded under a running task, which ends with its own exit code", async (context) => {
    const { folder, install } = needed(context);
    makeNextVersion(join(folder, "package.deb"), join(folder, "next.deb"));
    for (const [from, to] of [
      ["package.deb", "next.deb"],
      ["next.deb", "package.deb"],
    ] as const) {
      install(from);
      const [allocation, other] = [makeAllocation(), makeAllocation()];
      const before = await launchFrom(folder, allocation, other);
      const open = allocation.gate();
      const config = allocation.config("read -r _ < $NOMAD_TASK_DIR/gate; exit 19");
      const handle = await startTask(before, config);
      const pid = await pidOf(before, config);

      install(to);
      // The running plugin still has its file, and goes on.
      expect(digestOf(`/proc/${before.pid}/exe`)).not.toBe(digestOf(join(folder, executable)));
      expect(await runTask(before, other.config("exit 3"))).toMatchObject({ exitCode: 3 });
      await before.close();

      const after = await launchFrom(folder, allocation, other);
      expect(digestOf(`/proc/${after.pid}/exe`)).toBe(digestOf(join(folder, executable)));
      await after.driver.recoverTask({ taskId: "", handle });
      expect(await pidOf(after, config), `from ${from} to ${to}`).toBe(pid);
      const ended = waitTask(after, config);
      open();
      expect(await ended).toEqual({ exitCode: 19, signal: 0, oomKilled: false });
      expect(await runTask(after, other.config("exit 4"))).toMatchObject({ exitCode: 4 });
      await after.driver.destroyTask({ taskId: config.id, force: true });
      await after.close();
    }
    const [command = "", ...args] = entering({
      root: folder,
      command: [`/${executable}`, "events", "--json"],
    });
    const histories = execFileSync(command, args, { encoding: "utf8" });
    expect(histories.match(/"type":"recovered"/g)).toHaveLength(2);
  });

  it("is removed with its link under a running task; histories stay until it is purged, and longer while tasks run; then nothing is left", async (context) => {
    const { folder, install } = needed(context);
    install();
    const allocation = makeAllocation();
    const agent = await launchFrom(folder, allocation);
    const open = allocation.gate();
    const config = allocation.config("read -r _ < $NOMAD_TASK_DIR/gate; exit 23");
    await startTask(agent, config);
    runIn(folder, "dpkg", "--remove", "nomad-driver-exec2");
    expect(spawnSync("test", ["-L", join(folder, link)]).status).toBe(1);
    expect(existsSync(join(folder, executable))).toBe(false);
    runIn(folder, "dpkg", "--purge", "nomad-driver-exec2");
    expect(existsSync(join(folder, stateDir, "events"))).toBe(true);
    open();
    expect(await waitTask(agent, config)).toMatchObject({ exitCode: 23 });
    await agent.driver.destroyTask({ taskId: config.id, force: false });
    await agent.close();
    install();
    runIn(folder, "dpkg", "--remove", "nomad-driver-exec2");
    expect(existsSync(join(folder, stateDir, "events"))).toBe(true);
    runIn(folder, "dpkg", "--purge", "nomad-driver-exec2");
    const left = runIn(folder, "find", "/opt", "/usr", "/var/lib", "/etc", "-iname", "*nomad*");
    expect(left).toBe("");
    // Only folders that the package has made are removed.
    runIn(folder, "mkdir", "-p", "/opt/nomad/data");
    install();
    runIn(folder, "dpkg", "--purge", "nomad-driver-exec2");
    expect(runIn(folder, "find", "/opt")).toBe("/opt\n/opt/nomad\n/opt/nomad/data\n");
  });
});

interface Needed {
  readonly deb: string;
  readonly folder: string;
  /** Installs a package that is in the root. */
  readonly install: (name?: string) => void;
}

function needed(context: TestContext): Needed {
  requireTools(context, "debootstrap");
  if (deb === undefined || root === undefined) leaveOut(context, "a Debian package in dist/release");
  const folder = root;
  const install = (name = "package.deb") => void runIn(folder, "dpkg", "--install", `/${name}`);
  return { deb, folder, install };
}

/** Launches a plugin in the root, through the link in the plugin folder, as an agent does. */
function launchFrom(folder: string, ...allocations: readonly Allocation[]): Promise<Agent> {
  const sockets = temporaryFolder();
  const shared = [sockets, ...allocations.map((allocation) => dirname(dirname(allocation.folder)))];
  const [entry = "", ...args] = entering({
    root: folder,
    shared: [...new Set(shared)],
    command: [`/${link}`],
  });
  return startAgent({ entry, args, env: { PLUGIN_UNIX_SOCKET_DIR: sockets }, stateDir });
}

function digestOf(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}
