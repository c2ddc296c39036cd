import { existsSync, mkdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { makeFolder } from "../../../src/store/folder/files.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";

it("a folder is created with its parents, and an existing one is accepted", () => {
  const folder = join(temporaryFolder(), "a/b/c");
  makeFolder(folder, 0o700);
  makeFolder(folder, 0o755);
  expect(statSync(folder).mode & 0o777).toBe(0o700);
  const link = join(temporaryFolder(), "link");
  symlinkSync(folder, link);
  makeFolder(link, 0o700);
  makeFolder(join(link, "d"), 0o700);
  expect(existsSync(join(folder, "d"))).toBe(true);
});

it.each(["/proc/none", "/proc/none/below"])(
  "the creation fails if the kernel refuses the folder: %s",
  (path) => {
    expect(() => makeFolder(path, 0o700)).toThrow(/^ENOENT: .*'\/proc\/none'$/);
  },
);

it("the error names a file that is in a folder's place", () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, "file"), "");
  symlinkSync(join(folder, "nowhere"), join(folder, "link"));
  mkdirSync(join(folder, "there"));
  expect(() => makeFolder(join(folder, "file"), 0o700)).toThrow(/^EEXIST/);
  expect(() => makeFolder(join(folder, "file/below"), 0o700)).toThrow(/^ENOTDIR/);
  expect(() => makeFolder(join(folder, "link/below"), 0o700)).toThrow(/^EEXIST/);
});
