import { describe, expect, it } from "vitest";
import { taskFolders } from "../../../src/effects/layout/layout.ts";
import { errorOf } from "../../support/errors.ts";

const mounts = "/srv/nomad/alloc_mounts/78955d66-main";
const env = {
  NOMAD_TASK_DIR: `${mounts}/local`,
  NOMAD_ALLOC_DIR: `${mounts}/alloc`,
  NOMAD_SECRETS_DIR: `${mounts}/secrets`,
};

describe("folders of a task", () => {
  it("come from its environment; the temporary folder is beside them", () => {
    expect(taskFolders(env)).toEqual({
      rootDir: mounts,
      taskDir: `${mounts}/local`,
      allocDir: `${mounts}/alloc`,
      secretsDir: `${mounts}/secrets`,
      tmpDir: `${mounts}/tmp`,
    });
  });

  it.each(Object.keys(env))("%s is required", (name) => {
    const { [name as keyof typeof env]: _, ...without } = env;
    expect(errorOf(() => taskFolders(without))).toMatchObject({
      code: "CONFIG_INVALID",
      message: expect.stringContaining(`${name} is missing`),
    });
  });

  it.each([
    "",
    "local",
    "./a/local",
    "/",
    "/local",
    "/a/",
    "/a//local",
    "/a/../local",
    "/a/./local",
    "/a/local/..",
    "/a/lo\0cal",
  ])("%j is refused: it is not a plain absolute path below another folder", (path) => {
    for (const name of Object.keys(env)) {
      const error = errorOf(() => taskFolders({ ...env, [name]: path }));
      expect(error).toMatchObject({ code: "CONFIG_INVALID", message: expect.stringContaining(name) });
    }
  });
});
