/**
 * The Debian package in a small Debian of its own: installed, installed again,
 * removed, purged. Made by `npm run package:deb`; without one, the tests say so.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, globSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, type TestContext } from "vitest";
import { leaveOut, requireTools } from "../../support/host/requireTools.ts";

const release = join(import.meta.dirname, "../../../dist/release");
const [deb] = globSync(join(release, "*_amd64.deb"));
const link = "opt/nomad/data/plugins/nomad-driver-exec2";
let root: string | undefined;

beforeAll(() => {
  if (deb === undefined || spawnSync("debootstrap", ["--version"]).error) return;
  root = mkdtempSync("/var/lib/exec2-test-");
  execFileSync("debootstrap", ["--variant=minbase", "--include=libstdc++6", "trixie", root], {
    stdio: "ignore",
  });
}, 600_000);

afterAll(() => {
  if (root !== undefined) rmSync(root, { recursive: true, force: true });
});

// dpkg and lintian read 120 MB each time.
describe("the package", { timeout: 300_000 }, () => {
  it("has no errors by lintian", (context) => {
    const path = needed(context).deb;
    requireTools(context, "lintian");
    const { stdout, status } = spawnSync("lintian", ["--fail-on=error", path], { encoding: "utf8" });
    expect(stdout).not.toMatch(/^E:/m);
    expect(status).toBe(0);
  });

  it("installs an executable that runs, its link, manual page and completions", (context) => {
    const { folder, install } = needed(context);
    install();
    expect(inRoot(folder, "nomad-driver-exec2", "version")).toMatch(/^nomad-driver-exec2 \d/);
    expect(inRoot(folder, "readlink", `/${link}`)).toBe("/usr/bin/nomad-driver-exec2\n");
    for (const path of [
      "usr/share/bash-completion/completions/nomad-driver-exec2",
      "usr/share/zsh/vendor-completions/_nomad-driver-exec2",
      "usr/share/fish/vendor_completions.d/nomad-driver-exec2.fish",
    ]) {
      expect(existsSync(join(folder, path)), path).toBe(true);
    }
    expect(inRoot(folder, "dpkg", "-L", "nomad-driver-exec2")).toContain("man1/nomad-driver-exec2.1.gz");
  });

  it("is installed again over itself, keeps the link, and leaves another's alone", (context) => {
    const { folder, install } = needed(context);
    install();
    expect(inRoot(folder, "readlink", `/${link}`)).toBe("/usr/bin/nomad-driver-exec2\n");
    inRoot(folder, "ln", "-sfn", "/elsewhere", `/${link}`);
    install();
    expect(inRoot(folder, "readlink", `/${link}`)).toBe("/elsewhere\n");
    inRoot(folder, "rm", `/${link}`);
    install();
    expect(inRoot(folder, "readlink", `/${link}`)).toBe("/usr/bin/nomad-driver-exec2\n");
  });

  it("is removed with its link, and histories stay until it is purged", (context) => {
    const { folder } = needed(context);
    inRoot(folder, "mkdir", "-p", "/var/lib/nomad-driver-exec2/events");
    inRoot(folder, "dpkg", "--remove", "nomad-driver-exec2");
    expect(spawnSync("test", ["-L", join(folder, link)]).status).toBe(1);
    expect(existsSync(join(folder, "usr/bin/nomad-driver-exec2"))).toBe(false);
    expect(existsSync(join(folder, "var/lib/nomad-driver-exec2/events"))).toBe(true);
    inRoot(folder, "dpkg", "--purge", "nomad-driver-exec2");
    expect(existsSync(join(folder, "var/lib/nomad-driver-exec2"))).toBe(false);
  });
});

interface Needed {
  readonly deb: string;
  readonly folder: string;
  readonly install: () => void;
}

function needed(context: TestContext): Needed {
  requireTools(context, "debootstrap");
  if (deb === undefined || root === undefined) leaveOut(context, "a Debian package in dist/release");
  const folder = root;
  const install = () => {
    execFileSync("cp", [deb, join(folder, "package.deb")]);
    inRoot(folder, "dpkg", "--install", "/package.deb");
  };
  return { deb, folder, install };
}

function inRoot(folder: string, ...command: string[]): string {
  const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", DEBIAN_FRONTEND: "noninteractive" };
  return execFileSync("chroot", [folder, ...command], {
    encoding: "utf8",
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
}
