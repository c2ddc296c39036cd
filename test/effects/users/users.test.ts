import { describe, expect, it } from "vitest";
import { findUser } from "../../../src/effects/users/users.ts";
import { errorOf } from "../../support/errors.ts";

const passwd = `root:x:0:0:root:/root:/bin/bash
toor:x:0:0:also root:/root:/bin/bash
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin
nomad-agent:x:990:990::/opt/nomad:/usr/sbin/nologin
1000:x:2000:2000::/home/digits:/bin/sh
guest:x:80007:100::/home/guest:/bin/sh
`;
const find = (user: string, allowRoot = false) => findUser(user, passwd, { allowRoot });

describe("users of the host", () => {
  it("come with their primary group and home", () => {
    expect(find("www-data")).toEqual({ name: "www-data", uid: 33, gid: 33, home: "/var/www" });
    expect(find("guest")).toMatchObject({ uid: 80007, gid: 100 });
  });

  it("may have names like nomad-something, or names of digits", () => {
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
    "%j is not a local name, so the name services are used",
    (name) => {
      expect(find(name)).toBeUndefined();
    },
  );

  it.each(["33:33", "root:x", ":", "-s", "+", "+nis", "a b", "a\nb", "a/b", "nobody\0", " nobody"])(
    "%j cannot be a name, so the name services are not used",
    (name) => {
      expect(errorOf(() => find(name, true)).code).toBe("USER_UNKNOWN");
    },
  );

  it("cause an error that says what to set if the request names no user, and that a further attempt may have one", () => {
    expect(errorOf(() => find(""))).toMatchObject({
      code: "USER_UNKNOWN",
      hint: expect.stringContaining("dynamic workload users"),
      recoverable: true,
    });
  });
});
