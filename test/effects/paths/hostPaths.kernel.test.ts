import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { beforeEach, describe, expect, it } from "vitest";
import { capabilitySet } from "../../../src/effects/kernel/capabilities.ts";
import { checkVisible } from "../../../src/effects/landlock/rules.ts";
import { type Viewer, visibilityFor } from "../../../src/effects/paths/hostPaths.ts";
import type { UnveilRule } from "../../../src/effects/unveil/unveilRules.ts";
import { errorOf } from "../../support/errors.ts";
import { tryTools } from "../../support/host/requireTools.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";

const viewer: Viewer = { uid: 80001, gid: 80001, groups: [70001], capabilities: undefined };
const sees = (path: string, changed: Partial<Viewer> = {}) => visibilityFor({ ...viewer, ...changed })(path);

let root: string;
let file: string;

/** A file that everybody may read, in a folder whose mode the tests choose. */
beforeEach(() => {
  root = temporaryFolder();
  chmodSync(root, 0o755);
  mkdirSync(`${root}/folder`);
  file = `${root}/folder/file`;
  writeFileSync(file, "");
});

function folderWith(mode: number, uid = 0, gid = 0): void {
  chownSync(`${root}/folder`, uid, gid);
  chmodSync(`${root}/folder`, mode);
}

describe("a path", () => {
  it.each<[string, number, number?, number?]>([
    ["all may enter its folder", 0o711],
    ["its folder is the user's", 0o700, viewer.uid],
    ["its folder belongs to the user's group", 0o710, 0, viewer.gid],
    ["its folder belongs to another group of the user", 0o710, 0, 70001],
  ])("is visible to a task's user: %s", (_why, mode, uid, gid) => {
    folderWith(mode, uid, gid);
    expect(sees(file)).toBe(true);
  });

  it.each<[string, number, number?, number?]>([
    ["nobody else may enter its folder", 0o700],
    ["its folder may be read and not entered", 0o744],
    ["its folder is the user's, but closed to the user", 0o077, viewer.uid],
    ["its folder belongs to the user's group, but is closed to the group", 0o707, 0, viewer.gid],
  ])("is not visible to a task's user: %s", (_why, mode, uid, gid) => {
    folderWith(mode, uid, gid);
    expect(sees(file)).toBe(false);
    expect(sees(file, { capabilities: { kept: capabilitySet(["dac_override"]) } })).toBe(true);
    expect(sees(`${root}/folder`)).toBe(true);
  });

  it("is checked behind links, too", () => {
    symlinkSync(file, `${root}/link`);
    symlinkSync("folder/../folder/file", `${root}/winding`);
    for (const link of ["link", "winding"]) expect(sees(`${root}/${link}`)).toBe(true);
    folderWith(0o700);
    for (const link of ["link", "winding"]) expect(sees(`${root}/${link}`)).toBe(false);
  });

  it("is not visible if it does not exist", () => {
    expect(sees(`${root}/nothing`)).toBe(false);
    expect(sees(`${file}/more`)).toBe(false);
    expect(sees("/")).toBe(true);
    expect(sees("/proc/self/status")).toBe(true);
  });

  it("is visible in a folder that an access list opens", (context) => {
    tryTools(context, "setfacl");
    folderWith(0o700);
    spawnSync("setfacl", ["-m", `u:${viewer.uid}:x`, `${root}/folder`]);
    expect(sees(file)).toBe(true);
  });
});

describe("a path that a job unveils", () => {
  const rule = (differing: Partial<UnveilRule> = {}): UnveilRule => ({
    path: file,
    mode: { read: true, write: false, execute: false, create: false },
    sources: ["task"],
    ...differing,
  });
  const check = (each: UnveilRule, realPaths?: ReadonlyMap<string, string>) =>
    checkVisible([each], visibilityFor(viewer), realPaths);

  it("must be visible to its user even at the moment when the rule is added", () => {
    expect(() => check(rule())).not.toThrow();
    expect(() => check(rule(), new Map([[file, file]]))).not.toThrow();
    mkdirSync(`${root}/hidden`, { mode: 0o700 });
    writeFileSync(`${root}/hidden/file`, "");
    const elsewhere = new Map([[file, `${root}/hidden/file`]]);
    expect(errorOf(() => check(rule(), elsewhere)).code).toBe("UNVEIL_PATH_MISSING");
    folderWith(0o700);
    expect(errorOf(() => check(rule())).code).toBe("UNVEIL_PATH_MISSING");
  });

  it("is checked only for the job's own entries", () => {
    folderWith(0o700);
    for (const other of [
      rule({ sources: ["plugin"] }),
      rule({ sources: ["task", "plugin"] }),
      rule({ sources: ["task"], beneath: `${root}/folder` }),
    ]) {
      expect(() => check(other)).not.toThrow();
    }
    expect(() => check(rule({ sources: ["task"] }))).toThrow();
  });
});
