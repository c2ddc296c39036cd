import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Access, NamedUse } from "../../../src/effects/observe/access.ts";
import { parseUsedPath, unionOfUses, usesOf } from "../../../src/effects/observe/uses.ts";
import { isAtOrBelow } from "../../../src/effects/paths/paths.ts";

const opened = (path: string, letters: string, created = false): Access => ({
  ...{ kind: "opened", path, created },
  ...{ read: letters.includes("r"), write: letters.includes("w") },
});
const named = (use: NamedUse, path: string, errno = 0): Access => ({ kind: "named", use, path, errno });
const pathsOf = (...accesses: readonly Access[]) => usesOf(accesses, []).paths;

describe("the uses of a run", () => {
  it("are the letters that allow what was done with each path", () => {
    expect(pathsOf(opened("/a", "r"), opened("/a", "w"))).toEqual(["rw:/a"]);
    expect(pathsOf(opened("/d/new", "w", true))).toEqual(["c:/d", "w:/d/new"]);
    expect(pathsOf({ kind: "executed", path: "/bin/x" })).toEqual(["rx:/bin/x"]);
    expect(pathsOf(named("remove", "/d/old"), named("change", "/f"))).toEqual(["c:/d", "w:/f"]);
    expect(pathsOf(named("connect", "/run/s", 111))).toEqual(["w:/run/s"]);
    expect(pathsOf({ kind: "controlled", path: "/dev/x", request: 7 })).toEqual(["w:/dev/x"]);
    // Asking whether it is a terminal takes no right.
    expect(pathsOf({ kind: "controlled", path: "/dev/x", request: 0x5401 })).toEqual([]);
  });

  it("have paths that were only looked for, if something was there", () => {
    expect(pathsOf(named("lookUp", "/etc/flag"))).toEqual([":/etc/flag"]);
    expect(pathsOf(named("make", "/srv/there", 17))).toEqual([":/srv/there"]);
    // The folder is there as long as the file is.
    expect(pathsOf(named("lookUp", "/srv"), opened("/srv/a", "r"))).toEqual(["r:/srv/a"]);
    expect(pathsOf(named("lookUp", "/a/./b//../c"))).toEqual([":/a/c"]);
  });

  it("take what is in the run's own folders, and in procfs, together", () => {
    const accesses = [opened("/local/a", "r"), opened("/local/b", "w", true), opened("/proc/12/stat", "r")];
    expect(usesOf(accesses, ["/local"]).paths).toEqual(["r:/proc/self/stat", "rwc:/local"]);
    expect(usesOf(accesses, ["/local", "/local/b"]).paths).toContain("w:/local/b");
  });

  it("have destinations and ports in the form of the options", () => {
    const connected = (address: string, port: number, tcp = true): Access => ({
      ...{ kind: "connected", address, port, tcp },
    });
    const accesses: readonly Access[] = [
      connected("2001:db8::1", 443),
      connected("192.0.2.7", 53, false),
      connected("127.0.0.1", 80),
      { kind: "bound", port: 0, tcp: true },
      { kind: "capability", number: 10, refused: false },
      { kind: "capability", number: 12, refused: true },
    ];
    expect(usesOf(accesses, [])).toEqual({
      paths: [],
      moves: [],
      connects: ["tcp:[2001:db8::1]:443", "udp:192.0.2.7:53"],
      binds: ["tcp:0"],
      ports: ["tcp:443", "tcp:80", "udp:53"],
      capabilities: ["net_bind_service"],
    });
  });

  it("have a bound, at which folders stand for many paths, and lose no letter", () => {
    const name = fc.constantFrom("a", "b", "c");
    const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => `/${names.join("/")}`);
    const many = Array.from({ length: 1_500 }, (_, at) => opened(`/many/${at % 40}/${at}`, "r"));
    fc.assert(
      fc.property(fc.array(fc.tuple(path, fc.constantFrom("r", "w", "rw"))), (some) => {
        const accesses = [...many, ...some.map(([at, letters]) => opened(at, letters))];
        const kept = usesOf(accesses, []).paths.map(parseUsedPath);
        expect(kept.length).toBeLessThanOrEqual(1_024);
        for (const [at, letters] of some) {
          const around = kept.filter((each) =>
            each.isFolded ? isAtOrBelow(at, each.path) : each.path === at,
          );
          for (const letter of letters)
            expect(around.some((each) => each.letters.includes(letter))).toBe(true);
        }
      }),
      { numRuns: 30 },
    );
  });

  it("of several parts are all of theirs, once", () => {
    const [one, other] = [
      usesOf([opened("/a", "r")], []),
      usesOf([opened("/b", "r"), opened("/a", "r")], []),
    ];
    expect(unionOfUses([one, other]).paths).toEqual(["r:/a", "r:/b"]);
  });
});
