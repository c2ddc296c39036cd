/**
 * Installs the package for RPM with rpm(8) in a small Debian, which has what the package asks for under other names.
 * `npm run release` makes the package. Without a package, the tests are skipped with a message.
 */
import { execFileSync } from "node:child_process";
import { existsSync, globSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it, type TestContext } from "vitest";
import { makeDebian, runIn } from "../../support/host/debian.ts";
import { leaveOut, requireTools } from "../../support/host/requireTools.ts";

const [file] = globSync(join(import.meta.dirname, "../../../dist/release/*.x86_64.rpm"));
const link = "opt/nomad/data/plugins/nomad-driver-exec2";
let root: string | undefined;

afterAll(() => {
  if (root !== undefined) rmSync(root, { recursive: true, force: true });
}, 60_000);

function rpm(context: TestContext): (...args: readonly string[]) => string {
  requireTools(context, "debootstrap", "rpm");
  if (file === undefined) leaveOut(context, "a package for RPM in dist/release");
  root ??= makeDebian();
  const common = ["--root", root, "--nodeps"];
  return (...args) => execFileSync("rpm", [...common, ...args], { encoding: "utf8", stdio: "pipe" });
}

const inRoot = (...command: readonly string[]) => runIn(root as string, ...command);
const has = (path: string) => existsSync(join(root as string, path));

// In this order, because one root is used for all.
describe("the package for RPM", { timeout: 600_000 }, () => {
  it("installs an executable that runs, and its link", (context) => {
    rpm(context)("--install", file as string);
    expect(inRoot("nomad-driver-exec2", "version")).toMatch(/^nomad-driver-exec2 \d/);
    expect(inRoot("readlink", `/${link}`)).toBe("/usr/bin/nomad-driver-exec2\n");
  });

  it("has unchanged files, and keeps its link when it is installed again", (context) => {
    const call = rpm(context);
    expect(call("--verify", "nomad-driver-exec2")).toBe("");
    call("--upgrade", "--force", file as string);
    expect(inRoot("readlink", `/${link}`)).toBe("/usr/bin/nomad-driver-exec2\n");
  });

  it("leaves the histories of tasks when it is removed, and nothing else", (context) => {
    const call = rpm(context);
    inRoot("mkdir", "-p", "/var/lib/nomad-driver-exec2/events");
    call("--erase", "nomad-driver-exec2");
    for (const path of [
      link,
      "opt/nomad",
      "usr/bin/nomad-driver-exec2",
      "usr/share/doc/nomad-driver-exec2/docs",
    ])
      expect(has(path), path).toBe(false);
    expect(has("var/lib/nomad-driver-exec2/events")).toBe(true);
  });
});
