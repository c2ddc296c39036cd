import { describe, expect, it } from "vitest";
import { dynamicUser } from "../../../src/effects/users/users.ts";
import { errorOf } from "../../support/errors.ts";

const ids = "80000-89999,4294967294";
const known = {
  passwd: "root:x:0:0:root:/root:/bin/bash\nguest:x:80007:100::/home/guest:/bin/sh\n",
  group: "root:x:0:\nguests:x:80008:guest\n",
  subuid: "guest:81000:1000\n",
  subgid: "guest:83000:1000\n",
};

describe("a dynamic user", () => {
  it.each([80_000, 81_425 + 1_000, 89_999, 4_294_967_294])("has the uid and gid of its number: %i", (id) => {
    const name = `nomad-${id}`;
    expect(dynamicUser(name, ids, known)).toEqual({ name, uid: id, gid: id, home: "/nonexistent" });
  });

  it.each([
    ["nomad-79999", "its number is not in 80000-89999,4294967294"],
    ["nomad-90000", "its number is not in"],
    ["nomad-0", "its number is not in"],
    ["nomad-080000", "its number is not in"],
    ["nomad-4294967295", "its number is not in"],
    ["nomad-99999999999", "its number is not in"],
    ["nomad-80007", 'uid 80007 belongs to the host\'s user "guest"'],
    ["nomad-80008", 'gid 80008 belongs to the host\'s group "guests"'],
    ["nomad-81999", "/etc/subuid reserves uid 81999"],
    ["nomad-83000", "/etc/subgid reserves gid 83000"],
  ])("is refused: %s", (name, why) => {
    expect(errorOf(() => dynamicUser(name, ids, known))).toMatchObject({
      code: "USER_FORBIDDEN",
      message: expect.stringContaining(why),
      hint: expect.stringContaining("dynamic_user_ids"),
    });
  });

  it("is never root, and does not exist without a range", () => {
    expect(errorOf(() => dynamicUser("nomad-0", "0-99", known)).code).toBe("USER_FORBIDDEN");
    expect(errorOf(() => dynamicUser("nomad-80000", "", known)).message).toContain("any range");
  });
});
