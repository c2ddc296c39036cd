/**
 * docs/install.md: the kernel's list of security modules, as the page and `doctor` extend it, turns no module off; the
 * unit's settings are the release's.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parsePluginOptions } from "../../src/driver/options/pluginOptions.ts";
import { judgeHost } from "../../src/effects/host/hostHealth.ts";
import { goodHost } from "../support/host/goodHost.ts";
import { temporaryFolder } from "../support/host/temporaryFolder.ts";
import { blocksOf } from "../support/pages/blocks.ts";

const lists = {
  SELinux: "lockdown,capability,yama,selinux,bpf",
  AppArmor: "lockdown,capability,yama,integrity,apparmor",
  "AppArmor, and TOMOYO behind it": "capability,apparmor,tomoyo",
  "no module but capability": "capability",
};

const script =
  blocksOf("docs/install.md").find(({ text }) => text.includes("/sys/kernel/security/lsm"))?.text ?? "";

/** Runs the page's script as a shell does that a person types into, which goes on after a failed line. */
function runPage(modules: string | undefined): { readonly commandLine: string; readonly reboots: boolean } {
  const root = temporaryFolder();
  const bin = join(root, "bin");
  mkdirSync(bin);
  for (const name of ["update-grub", "reboot"])
    writeFileSync(join(bin, name), `#!/bin/sh\ntouch ${root}/${name}\n`, { mode: 0o755 });
  if (modules !== undefined) writeFileSync(join(root, "lsm"), modules);
  const here = script
    .replaceAll("/sys/kernel/security/lsm", `${root}/lsm`)
    .replaceAll("/etc/default", `${root}/etc/default`);
  spawnSync("bash", ["-c", here], { env: { PATH: `${bin}:${process.env.PATH}` } });
  const settings = join(root, "etc/default/grub.d/landlock.cfg");
  const commandLine = existsSync(settings)
    ? spawnSync("sh", ["-c", `GRUB_CMDLINE_LINUX=quiet; . ${settings}; echo "$GRUB_CMDLINE_LINUX"`], {
        encoding: "utf8",
      }).stdout.trim()
    : "";
  return { commandLine, reboots: existsSync(join(root, "reboot")) };
}

/** The list that a text sets, without `capability`, which the kernel always has. */
const listOf = (text: string) =>
  /lsm=(\S+)/
    .exec(text)?.[1]
    ?.split(",")
    .filter((name) => name !== "capability");

it("the settings of the agent's unit are those of the release", () => {
  const script = blocksOf("docs/install.md").find(({ text }) => text.includes("nomad.service.d"))?.text ?? "";
  expect(script).toContain(
    `<<'END'\n${readFileSync(join(import.meta.dirname, "../../packaging/exec2.conf"), "utf8")}END\n`,
  );
});

describe("the list of security modules", () => {
  it.each(Object.entries(lists))("with %s keeps every module, behind landlock", (_, modules) => {
    const whole = ["landlock", ...modules.split(",").filter((name) => name !== "capability")];
    const { commandLine, reboots } = runPage(`${modules}\n`);
    expect(commandLine).toMatch(/^quiet lsm=/);
    expect(listOf(commandLine)).toEqual(whole);
    expect(reboots).toBe(true);
    const { problems } = judgeHost(
      { ...goodHost, landlockAbi: 0, securityModules: modules.split(",") },
      parsePluginOptions({}),
    );
    expect(listOf(problems[0]?.remedy ?? "")).toEqual(whole);
  });

  it("that nobody can read is not set, and the host is not rebooted", () => {
    expect(runPage(undefined)).toEqual({ commandLine: "", reboots: false });
  });
});
