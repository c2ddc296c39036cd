import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { maxId, parseId } from "../../../src/effects/users/idRanges.ts";
import {
  entryOfName,
  entryOfUid,
  isSubordinate,
  nameOfGid,
  servicesOf,
} from "../../../src/effects/users/passwd.ts";

const passwd = `root:x:0:0:root:/root:/bin/bash
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
twin:x:1001:100:first:/home/first:
twin:x:1002:100:second:/home/second:
emptyhome:x:1003:100:::
# a comment
+nis::::::
short:x:1004:100
long:x:1005:100::/:/bin/sh:more
huge:x:4294967295:100::/:/bin/sh
negative:x:-2:100::/:/bin/sh
padded:x:01006:100::/:/bin/sh
spaced:x: 1007:100::/:/bin/sh
hugegroup:x:1008:4294967295::/:/bin/sh
`;

describe("passwd", () => {
  it("finds a name", () => {
    expect(entryOfName(passwd, "nobody")).toEqual({
      name: "nobody",
      uid: 65534,
      gid: 65534,
      home: "/nonexistent",
    });
    expect(entryOfName(passwd, "emptyhome")).toMatchObject({ uid: 1003, gid: 100, home: "" });
  });

  it("finds the first of two entries with the same name, as the C library does", () => {
    expect(entryOfName(passwd, "twin")).toMatchObject({ uid: 1001, home: "/home/first" });
  });

  it("finds the owner of a uid", () => {
    expect(entryOfUid(passwd, 65534)?.name).toBe("nobody");
    expect(entryOfUid(passwd, 80000)).toBeUndefined();
  });

  it.each([
    "",
    "no",
    "nobody ",
    "# a comment",
    "+nis",
    "short",
    "long",
    "huge",
    "negative",
    "padded",
    "spaced",
    "hugegroup",
  ])("has no entry %j", (name) => {
    expect(entryOfName(passwd, name)).toBeUndefined();
  });

  it("finds every entry that was written into it", () => {
    const id = fc.nat({ max: maxId });
    const name = fc.stringMatching(/^[a-z_][a-z0-9_-]{0,30}$/);
    const entries = fc.uniqueArray(
      fc.record({ name, uid: id, gid: id, home: fc.stringMatching(/^\/[a-z/]*$/) }),
      {
        selector: (entry) => entry.name,
      },
    );
    fc.assert(
      fc.property(entries, (written) => {
        const text = written
          .map(({ name, uid, gid, home }) => `${name}:x:${uid}:${gid}:g:${home}:/bin/sh\n`)
          .join("");
        for (const entry of written) expect(entryOfName(text, entry.name)).toEqual(entry);
      }),
    );
  });
});

it("finds the group of a gid", () => {
  const groups = "root:x:0:\nbroken:x:7\nvideo:x:44:a,b\nlate:x:44:\n+::::\n";
  expect([0, 7, 44, 45].map((gid) => nameOfGid(groups, gid))).toEqual([
    "root",
    undefined,
    "video",
    undefined,
  ]);
});

describe("subordinate ids", () => {
  const ranges = "user:100000:65536\n1000:200000:1\nbroken:x:5\nshort:300000\n";

  it.each([
    [99_999, false],
    [100_000, true],
    [165_535, true],
    [165_536, false],
    [200_000, true],
    [200_001, false],
    [300_000, false],
  ])("include %i: %s", (id, expected) => {
    expect(isSubordinate(id, ranges)).toBe(expected);
  });
});

describe("the services of a database", () => {
  it.each([
    ["passwd: files", ["files"]],
    ["# passwd: nis\npasswd:\tfiles [NOTFOUND=return] sss # more\n", ["files", "sss"]],
    ["passwd:compat systemd\n", ["compat", "systemd"]],
    ["passwd_compat: nis\ngroup: files\n", []],
    ["", []],
  ])("are read from %j", (text, services) => {
    expect(servicesOf(text, "passwd")).toEqual(services);
  });
});

describe("ids", () => {
  it.each([
    ["0", 0],
    ["1000", 1000],
    ["4294967294", maxId],
    ["4294967295", undefined],
    ["99999999999", undefined],
    ["007", undefined],
    ["-1", undefined],
    ["+1", undefined],
    ["1e3", undefined],
    ["0x10", undefined],
    ["", undefined],
    [" 1", undefined],
    ["1\n", undefined],
    ["١", undefined],
  ])("%j is %s", (text, id) => {
    expect(parseId(text)).toBe(id);
  });
});
