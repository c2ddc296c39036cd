import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { resolveUser } from "../../../src/effects/users/users.ts";

const rules = { allowRoot: false, dynamicUserIds: "80000-89999", deniedHostUids: "", deniedHostGids: "" };

describe("users of this host", () => {
  it("include nobody, with the ids that id(1) prints", async () => {
    const id = (flag: string) => Number(execFileSync("id", [flag, "nobody"], { encoding: "utf8" }));
    expect(await resolveUser("nobody", rules)).toMatchObject({
      name: "nobody",
      uid: id("-u"),
      gid: id("-g"),
    });
  });

  it("include none with a dynamic user's number", async () => {
    expect(await resolveUser("nomad-81425", rules)).toMatchObject({ uid: 81425, gid: 81425 });
    await expect(resolveUser("nomad-65534", rules)).rejects.toMatchObject({ code: "USER_FORBIDDEN" });
  });

  it.each(["exec2-no-such-user", "0", "65534"])(
    "do not include %j, which the name services do not know either",
    async (user) => {
      await expect(resolveUser(user, rules)).rejects.toMatchObject({
        code: "USER_UNKNOWN",
        recoverable: false,
        message: expect.stringContaining("not a user of this host"),
      });
    },
  );

  it("include root, who is refused", async () => {
    await expect(resolveUser("root", rules)).rejects.toMatchObject({ code: "USER_FORBIDDEN" });
    expect(await resolveUser("root", { ...rules, allowRoot: true })).toMatchObject({ uid: 0, home: "/root" });
  });

  it("cause a recoverable error if the name services cannot be asked", async () => {
    const path = process.env.PATH;
    process.env.PATH = "/nonexistent";
    try {
      await expect(resolveUser("exec2-no-such-user", rules)).rejects.toMatchObject({
        code: "USER_UNKNOWN",
        recoverable: true,
        failed: { call: "getent passwd", path: "exec2-no-such-user" },
      });
    } finally {
      process.env.PATH = path;
    }
  });
});
