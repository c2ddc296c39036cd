/**
 * Runs the commands of docs/install.md in a small Debian, in the guide's order, except the commands in
 * `notHere`. `npm run release` makes the files to install. Without them, the tests are skipped with a
 * message.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { parse } from "@cdktn/hcl2json";
import { describe, expect, it, onTestFinished, type TestContext } from "vitest";
import { makeDebian, runIn } from "../../support/host/debian.ts";
import { leaveOut, requireTools, tryTools } from "../../support/host/requireTools.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { blocksOf } from "../../support/pages/blocks.ts";

const checkout = join(import.meta.dirname, "../../..");
const blocks = blocksOf("docs/install.md");
const scripts = blocks.map(({ text }) => text);
/** A host uses either the package or the archive. */
const isForArchives = (script: string) => /\.tar\.gz|--plugin-dir/.test(script);

/** Commands that the test does not run, and what it does instead. */
const notHere: Readonly<Record<string, string>> = {
  "update-grub": "there is no boot loader: a shell reads the boot loader's settings",
  reboot: "there is nothing to boot",
  systemctl: "no systemd runs there: systemd-analyze checks the unit",
  "ssh-keygen": "the release has no signature: test/scripts/release signs and verifies",
  nomad: "there is no cluster: the configuration is validated, the policy parsed",
};

describe("the guide's commands", { timeout: 300_000 }, () => {
  it("are shell scripts, and the list of skipped commands is complete", () => {
    expect(blocks.map(({ language }) => language)).toEqual(blocks.map(() => "sh"));
    for (const script of scripts) execFileSync("bash", ["-n"], { input: script });
    const words = scripts.flatMap((script) => script.split("\n").map(firstWord));
    expect(Object.keys(notHere).filter((command) => !words.includes(command))).toEqual([]);
  });

  it("install, set up and remove the package", async (context) => {
    const root = prepared(context, "*_amd64.deb");
    writeFileSync(join(root, "release/lsm"), "lockdown,capability,yama,selinux,bpf");
    for (const script of scripts.filter(
      (each) => !isForArchives(each) && !each.startsWith("apt-get remove"),
    )) {
      runScript(root, script);
    }
    expect(runIn(root, "readlink", "/opt/nomad/data/plugins/nomad-driver-exec2")).toBe(
      "/usr/bin/nomad-driver-exec2\n",
    );
    const commandLine = ". /etc/default/grub.d/landlock.cfg; echo $GRUB_CMDLINE_LINUX";
    expect(runIn(root, "GRUB_CMDLINE_LINUX=quiet", "sh", "-c", commandLine)).toBe(
      "quiet lsm=landlock,lockdown,yama,selinux,bpf\n",
    );
    const policy = readFileSync(join(root, "release/exec2-jobs.policy.hcl"), "utf8");
    expect(await parse("policy.hcl", policy)).toMatchObject({
      namespace: { default: [{ capabilities: expect.arrayContaining(["submit-job", "alloc-exec"]) }] },
    });
    runScript(root, scripts.find((each) => each.startsWith("apt-get remove")) ?? "exit 1");
    expect(existsSync(join(root, "usr/bin/nomad-driver-exec2"))).toBe(false);
  });

  it("install and remove what is in the archive", (context) => {
    const root = prepared(context, "*_amd64.deb", "*-linux-amd64.tar.gz");
    const [install = "", uninstall = ""] = scripts.filter(isForArchives);
    runScript(root, install);
    expect(existsSync(join(root, "opt/nomad/data/plugins/nomad-driver-exec2"))).toBe(true);
    expect(runScript(root, uninstall)).toContain("would remove /opt/nomad/data/plugins/nomad-driver-exec2\n");
    expect(existsSync(join(root, "opt/nomad/data/plugins/nomad-driver-exec2"))).toBe(false);
  });

  it("write settings of the agent's unit that systemd accepts", (context) => {
    tryTools(context, "systemd-analyze");
    const script = scripts.find((each) => each.includes("nomad.service.d")) ?? "";
    const [, path = "", settings = ""] = /^cat > (\S+) <<'END'\n(.*?)^END$/ms.exec(script) ?? [];
    const root = temporaryFolder();
    mkdirSync(join(root, path, ".."), { recursive: true });
    writeFileSync(join(root, path), settings);
    writeFileSync(join(root, "nomad"), "", { mode: 0o755 });
    const unit = "[Unit]\nDefaultDependencies=no\n[Service]\nExecStart=/nomad\n";
    writeFileSync(join(root, "etc/systemd/system/nomad.service"), unit);
    const verify = () => {
      const args = [`--root=${root}`, "verify", "nomad.service"];
      const { status, stderr } = spawnSync("systemd-analyze", args, { encoding: "utf8" });
      return { status, warned: stderr.includes("exec2.conf") };
    };
    expect(verify()).toEqual({ status: 0, warned: false });
    writeFileSync(join(root, path), settings.replace("KillMode=", "KillMood="));
    expect(verify()).toMatchObject({ warned: true });
  });
});

/** A Debian with the release's files in `/release`. */
function prepared(context: TestContext, ...patterns: readonly string[]): string {
  requireTools(context, "debootstrap");
  const release = join(checkout, "dist/release");
  const files = [...patterns, "SHA256SUMS"].flatMap((pattern) => globSync(join(release, pattern)));
  if (files.length <= patterns.length) leaveOut(context, `${patterns.join(" and ")} in dist/release`);
  const root = makeDebian();
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  mkdirSync(join(root, "release"));
  for (const file of files) copyFileSync(file, join(root, "release", basename(file)));
  return root;
}

/** Runs a script of the guide, without the commands in `notHere`, until the first command that fails. */
function runScript(root: string, script: string): string {
  const lines = script
    .split("\n")
    .map((line) => (firstWord(line) in notHere ? `true${/ &&$/.exec(line)?.[0] ?? ""}` : line));
  // The test's kernel may have Landlock already. So its list of modules is a file of the test.
  const commands = lines.join("\n").replaceAll("/sys/kernel/security/lsm", "/release/lsm");
  return runIn(root, "bash", "-euo", "pipefail", "-c", `cd /release\n${commands}`);
}

function firstWord(line: string): string {
  return /^[\w-]*/.exec(line)?.[0] ?? "";
}
