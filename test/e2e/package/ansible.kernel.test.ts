/**
 * The role for Ansible, run by Debian's Ansible in a small Debian. There is no agent: `systemctl` and `nomad` are
 * scripts, which write down how they are called, and answer as the case wants.
 */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, type TestContext } from "vitest";
import { makeDebian, makeNextVersion, runIn } from "../../support/host/debian.ts";
import { leaveOut, requireTools } from "../../support/host/requireTools.ts";

const checkout = join(import.meta.dirname, "../../..");
const [deb] = globSync(join(checkout, "dist/release/*_amd64.deb"));
const files = {
  block: "etc/nomad.d/exec2.hcl",
  unit: "etc/systemd/system/nomad.service.d/exec2.conf",
  executable: "usr/bin/nomad-driver-exec2",
};
let root = "";

beforeAll(() => {
  if (deb === undefined || spawnSync("debootstrap", ["--version"]).error) return;
  // debootstrap does not find what provides a package.
  root = makeDebian("ansible-core", "python3-cffi-backend");
  copyFileSync(deb, join(root, "now.deb"));
  cpSync(join(checkout, "packaging"), join(root, "setup"), { recursive: true });
  script("systemctl", `case $1 in show) printf 'LoadState=loaded\\nActiveState=active\\n' ;; esac`);
}, 900_000);

afterAll(() => {
  if (root !== "") rmSync(root, { recursive: true, force: true });
}, 60_000);

function script(name: string, text: string): void {
  mkdirSync(join(root, "usr/local/bin"), { recursive: true });
  const path = join(root, "usr/local/bin", name);
  writeFileSync(path, `#!/bin/sh\necho "${name} $*" >> /calls\n${text}\n`);
  chmodSync(path, 0o755);
}

interface Played {
  readonly output: string;
  readonly isFailed: boolean;
  /** The number of tasks and handlers that have changed something. */
  readonly changed: number;
  /** How `systemctl` and `nomad` were called, but for questions about the unit. */
  readonly calls: readonly string[];
}

/** @param healthy the version that the agent reports as healthy, if any */
function play(options: readonly string[], healthy?: string): Played {
  rmSync(join(root, "calls"), { force: true });
  const node = {
    Drivers: { exec2: { Healthy: healthy !== undefined } },
    Attributes: { "driver.exec2.version": healthy ?? "" },
  };
  script("nomad", `echo '${JSON.stringify(node)}'`);
  const vars = ["exec2_hosts=localhost", "exec2_health_retries=1", ...options].flatMap((each) => [
    "-e",
    each,
  ]);
  const command = [
    "ansible-playbook",
    "-i",
    "localhost,",
    "-c",
    "local",
    ...vars,
    "/setup/ansible/rollout.yml",
  ];
  // Ansible refuses Node's pipes, which do not block.
  const output = runIn(
    root,
    "env",
    "HOME=/root",
    "LC_ALL=C.UTF-8",
    "sh",
    "-c",
    '"$@" 2>&1 | cat',
    "sh",
    ...command,
  );
  const [, changed, failed] = /^localhost .*changed=(\d+) .*failed=(\d+)/m.exec(output) ?? [];
  const log = join(root, "calls");
  const calls = existsSync(log) ? readFileSync(log, "utf8").trimEnd().split("\n") : [];
  return {
    output,
    isFailed: failed !== "0",
    changed: Number(changed),
    calls: calls.filter((call) => !/^systemctl (?:show|is-)/.test(call)),
  };
}

const asked = "nomad node status -self -json";
const restarted = ["systemctl daemon-reload", expect.stringMatching(/^systemctl restart '?nomad/), asked];
const read = (path: string) => readFileSync(join(root, path), "utf8");
const packaged = (path: string) => readFileSync(join(checkout, "packaging", path), "utf8");
const installed = () =>
  runIn(root, "sh", "-c", "dpkg-query --status nomad-driver-exec2 | sed -n 's/^Version: //p'").trim();

function needed(context: TestContext): { readonly version: string } {
  requireTools(context, "debootstrap");
  if (deb === undefined) leaveOut(context, "a Debian package in dist/release");
  return { version: runIn(root, "dpkg-deb", "--field", "/now.deb", "Version").trim() };
}

/** A version of the driver: Debian's without the epoch. */
const own = (version: string) => version.slice(version.indexOf(":") + 1);

// In this order, because one root is used for all.
describe("the role", { timeout: 300_000 }, () => {
  it("installs the package, writes the block and the unit's settings, and restarts the agent", (context) => {
    const { version } = needed(context);
    const { output, isFailed, calls } = play(["exec2_package=/now.deb"], own(version));
    expect(isFailed, output).toBe(false);
    expect(installed()).toBe(version);
    expect(read(files.block)).toBe(packaged("agent.hcl"));
    expect(read(files.unit)).toBe(packaged("exec2.conf"));
    expect(calls).toEqual(restarted);
  });

  it("changes nothing, and restarts nothing, a second time", (context) => {
    const { version } = needed(context);
    const { output, isFailed, changed, calls } = play(["exec2_package=/now.deb"], own(version));
    expect([isFailed, changed, calls], output).toEqual([false, 0, [asked]]);
  });

  it("goes to another version, and back by the same command", (context) => {
    const { version } = needed(context);
    makeNextVersion(join(root, "now.deb"), join(root, "next.deb"));
    expect(play(["exec2_package=/next.deb"], "99.0.0")).toMatchObject({ isFailed: false, calls: restarted });
    expect(installed()).toMatch(/:99\.0\.0$/);
    expect(play(["exec2_package=/now.deb"], own(version))).toMatchObject({
      isFailed: false,
      calls: restarted,
    });
    expect(installed()).toBe(version);
  });

  it("fails if the agent does not report the new version as healthy", (context) => {
    const { version } = needed(context);
    const stale = play(["exec2_package=/next.deb"], own(version));
    expect(stale.isFailed, stale.output).toBe(true);
    expect(stale.calls).toContain(asked);
    expect(play(["exec2_package=/now.deb"])).toMatchObject({ isFailed: true });
  });

  it("changes nothing with a block that is wrong, nor where no task can run", (context) => {
    const { version } = needed(context);
    const block = read(files.block);
    writeFileSync(join(root, "wrong.hcl"), block.replace("allowed_users", "allowed_user"));
    const wrong = play(["exec2_package=/now.deb", "exec2_config=/wrong.hcl"]);
    expect([wrong.isFailed, wrong.calls], wrong.output).toEqual([true, []]);
    expect(read(files.block)).toBe(block);

    const state = join(root, "var/lib/nomad-driver-exec2");
    mkdirSync(state, { recursive: true });
    chmodSync(state, 0o777);
    const unfit = play(["exec2_package=/next.deb"], "99.0.0");
    expect([unfit.isFailed, unfit.calls], unfit.output).toEqual([true, []]);
    expect(installed()).toBe(version);
  });

  it("does not restart the agent where that is not wanted", (context) => {
    const { version } = needed(context);
    rmSync(join(root, "var/lib/nomad-driver-exec2"), { recursive: true, force: true });
    const { output, isFailed, calls } = play(["exec2_package=/now.deb", "exec2_restart=false"], own(version));
    expect([isFailed, calls], output).toEqual([false, []]);
  });
});
