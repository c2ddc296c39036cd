import { chmodSync, chownSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { beforeEach, describe, expect, it } from "vitest";
import { libc } from "../../../src/effects/kernel/bindings.ts";
import { capabilitySet } from "../../../src/effects/kernel/capabilities.ts";
import type { FileUser } from "../../../src/effects/kernel/fileUser.ts";
import { visibilityFor } from "../../../src/effects/paths/hostPaths.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";

const viewer: FileUser = { uid: 80001, gid: 80001, groups: [70001], capabilities: undefined };
const sees = (path: string, changed: Partial<FileUser> = {}) =>
  visibilityFor({ ...viewer, ...changed })(path);

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

/** Adds an access list to the folder, by which a user may enter it: acl(5), and `linux/posix_acl_xattr.h`. */
function admit(uid: number): void {
  const nobody = 0xffffffff;
  const entries = [
    [0x01, 7, nobody],
    [0x02, 1, uid],
    [0x04, 0, nobody],
    [0x10, 1, nobody],
    [0x20, 0, nobody],
  ] as const;
  const list = Buffer.alloc(4 + 8 * entries.length);
  list.writeUInt32LE(2);
  for (const [index, [tag, rights, id]] of entries.entries()) {
    list.writeUInt16LE(tag, 4 + 8 * index);
    list.writeUInt16LE(rights, 6 + 8 * index);
    list.writeUInt32LE(id, 8 + 8 * index);
  }
  expect(libc().setxattr(`${root}/folder`, "system.posix_acl_access", list, list.byteLength, 0)).toBe(0);
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

  it("is not visible to root without the capabilities to pass by modes", () => {
    folderWith(0o700, viewer.uid);
    expect(sees(file, { uid: 0, gid: 0, groups: [] })).toBe(false);
    folderWith(0o700);
    expect(sees(file, { uid: 0, gid: 0, groups: [] })).toBe(true);
  });

  it("is visible in a folder that an access list opens to the user, and not if the list is for another", () => {
    folderWith(0o700);
    admit(80_002);
    expect(sees(file)).toBe(false);
    admit(viewer.uid);
    expect(sees(file)).toBe(true);
  });

  it("is looked up without a change of this process", () => {
    const credentials = () =>
      readFileSync("/proc/thread-self/status", "utf8")
        .split("\n")
        .filter((line) => /^(Uid|Gid|Groups|Cap)/.test(line));
    const before = credentials();
    sees(file);
    expect(credentials()).toEqual(before);
  });
});
