import { describe, expect, it } from "vitest";
import type { Access } from "../../src/effects/observe/access.ts";
import { deniedIn } from "../../src/learn/access.ts";

const named = (path: string, errno: number): Access => ({ kind: "named", use: "open", path, errno });

describe("the denied accesses", () => {
  it("are those that worked without a sandbox and now fail", () => {
    const free = [named("/a", 0), named("/b", 2), named("/c", 0), named("/d", 0), named("/e", 0)];
    const enforced = [
      named("/a", 13),
      named("/a", 13),
      named("/b", 2),
      named("/c", 0),
      named("/c", 2),
      named("/d", 111),
    ];
    expect(deniedIn(free, enforced)).toEqual(["/a"]);
    const looked: Access = { kind: "named", use: "lookUp", path: "/a", errno: 0 };
    expect(deniedIn([...free, looked], [...enforced, looked])).toEqual(["/a"]);
  });
});
