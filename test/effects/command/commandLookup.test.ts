import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { beforeEach, describe, expect, it } from "vitest";
import { resolveCommand, resolveWorkDir } from "../../../src/effects/command/commandLookup.ts";
import { errorOf } from "../../support/errors.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";

let root: string;

function file(path: string, mode: number): void {
  writeFileSync(`${root}/${path}`, "");
  chmodSync(`${root}/${path}`, mode);
}

beforeEach(() => {
  root = temporaryFolder();
  for (const folder of ["first", "second", "second/folder", "local"]) mkdirSync(`${root}/${folder}`);
  file("first/plain", 0o644);
  file("second/plain", 0o755);
  file("second/tool", 0o755);
  file("second/mine", 0o100);
  file("local/app", 0o755);
  symlinkSync("tool", `${root}/second/link`);
  symlinkSync("nowhere", `${root}/first/dangling`);
  symlinkSync("loop", `${root}/first/loop`);
});

const lookUp = (command: string, path: string | undefined = `${root}/first:${root}/second`) =>
  resolveCommand(command, { path, workDir: root });

describe("a command", () => {
  it("is looked for in the task's PATH, in order", () => {
    expect(lookUp("tool")).toBe(`${root}/second/tool`);
    expect(lookUp("link")).toBe(`${root}/second/link`);
    expect(lookUp("mine")).toBe(`${root}/second/mine`);
  });

  it("is looked for further if a file earlier in the PATH has no execute bit", () => {
    expect(lookUp("plain")).toBe(`${root}/second/plain`);
  });

  it("is never looked for in the plugin's PATH, nor in relative entries", () => {
    for (const path of [undefined, "", "second", ".:", `${root}/first`]) {
      expect(errorOf(() => resolveCommand("sh", { path, workDir: "/bin" })).code).toBe("COMMAND_NOT_FOUND");
    }
  });

  it("with a slash is a path: absolute, or relative to the work dir", () => {
    expect(lookUp(`${root}/second/tool`)).toBe(`${root}/second/tool`);
    expect(lookUp("local/app")).toBe(`${root}/local/app`);
    expect(lookUp("./local/../local/app")).toBe(`${root}/./local/../local/app`);
    expect(errorOf(() => lookUp("second/nothing")).code).toBe("COMMAND_NOT_FOUND");
  });

  it("that is missing leads to an error that names the tried paths", () => {
    expect(errorOf(() => lookUp("ghost")).message).toContain(
      `looked for ${root}/first/ghost, ${root}/second/ghost`,
    );
    expect(errorOf(() => lookUp("ghost", "bin:lib")).message).toContain("PATH names no absolute folder");
  });

  it.each(["folder", "dangling", "loop", "", "a".repeat(5000), "nu\0l"])(
    "that is %j is not found",
    (command) => {
      expect(errorOf(() => lookUp(command)).code).toBe("COMMAND_NOT_FOUND");
    },
  );

  it.each([
    ["plain", "first/plain is not a regular file with an execute bit"],
    ["first/plain", "first/plain is not a regular file with an execute bit"],
    ["second/folder", "second/folder is a folder"],
    ["/dev/null", "/dev/null is not a regular file with an execute bit"],
  ])("that is %j cannot be executed", (command, what) => {
    expect(errorOf(() => lookUp(command, `${root}/first`))).toMatchObject({
      code: "COMMAND_NOT_EXECUTABLE",
      message: expect.stringContaining(what),
    });
  });
});

describe("a work dir", () => {
  it("is the task's folder, or relative to it, or absolute", () => {
    const folders = { rootDir: root };
    expect(resolveWorkDir(undefined, folders)).toBe(root);
    expect(resolveWorkDir("local", folders)).toBe(`${root}/local`);
    expect(resolveWorkDir("/", folders)).toBe("/");
  });

  it.each(["nowhere", "local/app", "/etc/passwd", "/no/such"])("that is %s is invalid", (workDir) => {
    expect(errorOf(() => resolveWorkDir(workDir, { rootDir: root }))).toMatchObject({
      code: "WORK_DIR_INVALID",
      message: expect.stringContaining(workDir.startsWith("/") ? workDir : `${root}/${workDir}`),
    });
  });
});
