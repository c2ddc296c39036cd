import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, symlinkSync } from "node:fs";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { type TaskFolders, taskFolders } from "../../../src/effects/layout/layout.ts";
import { checkTaskFolders } from "../../../src/effects/layout/taskFolderCheck.ts";
import { errorOf } from "../../support/errors.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";

let original: string;
let request: { allocDir: string; taskName: string };

/** Creates the allocation's folder like an agent. */
beforeEach(() => {
  original = temporaryFolder();
  request = { allocDir: original, taskName: "main" };
  for (const folder of ["alloc/logs", "main/local", "main/secrets", "main/tmp", "main/alloc"]) {
    mkdirSync(`${original}/${folder}`, { recursive: true });
  }
});

function foldersBelow(task: string, alloc = `${task}/alloc`): TaskFolders {
  return taskFolders({
    NOMAD_TASK_DIR: `${task}/local`,
    NOMAD_ALLOC_DIR: alloc,
    NOMAD_SECRETS_DIR: `${task}/secrets`,
  });
}

describe("the folders that a task's environment names", () => {
  it("are accepted if the agent has bound the task's folders there", () => {
    const mounts = temporaryFolder();
    const mount = (from: string, to: string) => {
      execFileSync("mount", ["--bind", from, to]);
      onTestFinished(() => void execFileSync("umount", [to]));
    };
    mount(`${original}/main`, mounts);
    mount(`${original}/alloc`, `${mounts}/alloc`);
    mount(`${original}/main/secrets`, `${mounts}/secrets`);
    expect(() => checkTaskFolders(foldersBelow(mounts), request)).not.toThrow();
  });

  it("are accepted if they are the task's folders themselves", () => {
    const folders = foldersBelow(`${original}/main`, `${original}/alloc`);
    expect(() => checkTaskFolders(folders, request)).not.toThrow();
  });

  it.each(["taskDir", "allocDir", "secretsDir", "tmpDir"] as const)(
    "%s cannot be a folder of the host",
    (name) => {
      const folders = foldersBelow(`${original}/main`, `${original}/alloc`);
      expect(errorOf(() => checkTaskFolders({ ...folders, [name]: "/etc" }, request))).toMatchObject({
        code: "CONFIG_INVALID",
        message: expect.stringContaining("(/etc) is not the task's own folder"),
        hint: expect.stringContaining("env block"),
      });
    },
  );

  it("cannot be those of another task of the allocation", () => {
    for (const folder of ["local", "secrets", "tmp"])
      mkdirSync(`${original}/other/${folder}`, { recursive: true });
    const folders = foldersBelow(`${original}/other`, `${original}/alloc`);
    expect(errorOf(() => checkTaskFolders(folders, request)).code).toBe("CONFIG_INVALID");
  });

  it("cannot be symlinks, not even if the allocation's own folder is the same symlink", () => {
    rmSync(`${original}/main/tmp`, { recursive: true });
    symlinkSync("/etc", `${original}/main/tmp`);
    const folders = foldersBelow(`${original}/main`, `${original}/alloc`);
    expect(errorOf(() => checkTaskFolders(folders, request)).message).toContain("is not a folder");
  });

  it("are named in the error if they are missing", () => {
    rmSync(`${original}/main/secrets`, { recursive: true });
    const folders = foldersBelow(`${original}/main`, `${original}/alloc`);
    expect(errorOf(() => checkTaskFolders(folders, request))).toMatchObject({
      code: "CONFIG_INVALID",
      failed: { call: "lstat", path: `${original}/main/secrets`, errno: "ENOENT" },
      message: expect.stringContaining("NOMAD_SECRETS_DIR cannot be found"),
    });
  });
});
