import { describe, expect, it } from "vitest";
import { resolveGroups } from "../../../src/effects/users/users.ts";

const rules = { dynamicUserIds: "80000-89999", deniedHostGids: "" };
const user = { uid: 80_001 };

function resolved(groups: readonly string[], groupsByTask: readonly string[], by: { uid: number } = user) {
  return resolveGroups(groups, by, { ...rules, groupsByTask });
}

describe("the operator's list of groups", () => {
  it.each([
    ["by name", ["video"], ["video"]],
    ["by a pattern", ["video"], ["vi*o"]],
    ["by its number, which the list has", ["video"], ["44"]],
    ["by a range around its number", ["video"], ["40-50"]],
    ["by number, where the list has the host's name for it", ["44"], ["video"]],
    ["by number, where the list has a pattern of the host's name", ["44"], ["*"]],
  ])("has a group of the host: %s", async (_, groups, listed) => {
    expect(await resolved(groups, listed)).toEqual([44]);
  });

  it("has numbers without a name on the host, as numbers and ranges only", async () => {
    expect(await resolved(["70100", "70001", "70100"], ["70100-70199", "70001"])).toEqual([70_100, 70_001]);
    await expect(resolved(["70100"], ["*", "70099", "70101-70199"])).rejects.toMatchObject({
      code: "USER_FORBIDDEN",
      hint: "It is not in groups_by_task (*, 70099, 70101-70199) of the client's plugin block",
    });
  });

  it.each(["audio", "29", "exec2-no-such-group", "video2", "-g", "0"])(
    "refuses %j, which it lacks, whether the host has it or not",
    async (group) => {
      await expect(resolved([group], ["video", "70100"])).rejects.toMatchObject({
        code: "USER_FORBIDDEN",
        message: expect.stringContaining(`group ${JSON.stringify(group)} is none that this client allows`),
      });
    },
  );

  it("says of a listed name that the host does not know it", async () => {
    await expect(resolved(["exec2-no-such-group"], ["exec2-*"])).rejects.toMatchObject({
      code: "USER_UNKNOWN",
    });
  });

  const secret = ["root", "0", "shadow", "42", "disk", "6", "adm", "tty", "utmp"];
  it.each(secret)("opens no group of the host's secrets: %j", async (group) => {
    for (const listed of [["*", "0-4294967294"], [group]]) {
      await expect(resolved([group], listed)).rejects.toMatchObject({
        code: "USER_FORBIDDEN",
        message: expect.stringContaining("it is the host's group"),
      });
    }
    expect(await resolved([group], [group], { uid: 0 })).toHaveLength(1);
  });

  it.each([80_001, 0])("opens no dynamic user's number, for a task of uid %i", async (uid) => {
    for (const listed of [["85000"], ["*", "0-4294967294"]]) {
      await expect(resolved(["85000"], listed, { uid })).rejects.toMatchObject({
        code: "USER_FORBIDDEN",
        message: expect.stringContaining("gid 85000 is in dynamic_user_ids"),
      });
    }
    expect(await resolved(["79999", "90000"], ["70000-99999"], { uid })).toEqual([79_999, 90_000]);
  });
});
