import { describe, expect, it } from "vitest";
import { findUser } from "../../../src/effects/users/users.ts";
import { errorOf } from "../../support/errors.ts";

const passwd = `root:x:0:0:root:/root:/bin/bash
toor:x:0:0:also root:/root:/bin/bash
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin
nomad-agent:x:990:990::/opt/nomad:/usr/sbin/nologin
nomad-1234:x:1234:1234::/home/x:/bin/sh
1000:x:2000:2000::/home/digits:/bin/sh
guest:x:80007:100::/home/guest:/bin/sh
`;
const find = (user: string, allowRoot = false) =>
  findUser(user, passwd, { allowRoot, deniedHostUids: "", deniedHostGids: "" });

describe("dynamic users", () => {
  it.each([
    ["nomad-1000", 1000],
    ["nomad-81425", 81425],
    ["nomad-4294967294", 4294967294],
  ])("%s has the uid and gid of its number, and no home", (name, uid) => {
    expect(find(name)).toEqual({ name, uid, gid: uid, home: "/nonexistent" });
  });

  it.each([
    ["nomad-0", "from 1000"],
    ["nomad-1", "from 1000"],
    ["nomad-999", "from 1000"],
    ["nomad-007", "leading zeros"],
    ["nomad-080000", "leading zeros"],
    ["nomad-4294967295", "4294967294"],
    ["nomad-99999999999", "4294967294"],
    ["nomad-65534", 'belongs to the host\'s user "nobody"'],
    ["nomad-80007", 'belongs to the host\'s user "guest"'],
    ["nomad-1234", "belongs to the host's user"],
  ])("%s is refused, root allowed or not", (name, why) => {
    for (const allowRoot of [false, true]) {
      expect(errorOf(() => find(name, allowRoot))).toMatchObject({
        code: "USER_FORBIDDEN",
        message: expect.stringContaining(why),
      });
    }
  });
});

describe("users of the host", () => {
  it("come with their primary group and home", () => {
    expect(find("www-data")).toEqual({ name: "www-data", uid: 33, gid: 33, home: "/var/www" });
    expect(find("guest")).toMatchObject({ uid: 80007, gid: 100 });
  });

  it("may be called nomad-something, or by digits", () => {
    expect(find("nomad-agent")).toMatchObject({ uid: 990 });
    expect(find("1000")).toMatchObject({ uid: 2000 });
  });

  it.each(["root", "toor"])("%s is refused unless root is allowed", (name) => {
    expect(errorOf(() => find(name))).toMatchObject({
      code: "USER_FORBIDDEN",
      message: expect.stringContaining("allow_root"),
    });
    expect(find(name, true)).toMatchObject({ name, uid: 0 });
  });

  it.each(["ghost", "33", "0", "nomad-", "nomad-x1", "NOBODY", "DOMAIN\\user", "user@domain"])(
    "%j is nobody's name here: the name services are asked",
    (name) => {
      expect(find(name)).toBeUndefined();
    },
  );

  it.each(["33:33", "root:x", ":", "-s", "+", "+nis", "a b", "a\nb", "a/b", "nobody\0", " nobody"])(
    "%j cannot be a name: nobody is asked",
    (name) => {
      expect(errorOf(() => find(name, true)).code).toBe("USER_UNKNOWN");
    },
  );

  it("no user at all is an error that says what to set", () => {
    expect(errorOf(() => find(""))).toMatchObject({
      code: "USER_UNKNOWN",
      hint: expect.stringContaining("dynamic workload users"),
    });
  });
});
