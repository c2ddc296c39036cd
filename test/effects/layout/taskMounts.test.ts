import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  hiddenSources,
  hostPath,
  mountAround,
  placeMounts,
  type TaskFolders,
  type TaskMount,
} from "../../../src/effects/layout/layout.ts";
import { isAtOrBelow } from "../../../src/effects/paths/paths.ts";
import { formatMode } from "../../../src/effects/unveil/unveil.ts";

const root = "/nomad/alloc_mounts/6f2d-web";
const folders: TaskFolders = {
  rootDir: root,
  taskDir: `${root}/local`,
  allocDir: `${root}/alloc`,
  secretsDir: `${root}/secrets`,
  tmpDir: `${root}/tmp`,
};

const volume = (source: string, target: string, readOnly = false): TaskMount => ({
  source,
  target,
  readOnly,
  propagation: "private",
});

const place = (...mounts: TaskMount[]) => placeMounts({ mounts, devices: [] }, folders);

describe("a volume's destination", () => {
  test.each([
    ["/data", "/data"],
    ["//data/./sub/", "/data/sub"],
    ["local/data", `${root}/local/data`],
    ["./data", `${root}/data`],
  ])("%s is %s", (given, target) => {
    expect(place(volume("/srv", given)).map((mount) => mount.target)).toEqual([target]);
  });

  test.each([".", ".", root, `${root}/local`, `${root}/tmp`, ".", ".", ".", "", "a\0b", "."])(
    "%j is refused",
    (target) => {
      expect(() => place(volume("/srv", target))).toThrow(
        expect.objectContaining({ code: "MOUNT_TARGET_INVALID", hint: expect.any(String) }),
      );
    },
  );

  test("cannot be requested twice", () => {
    expect(() => place(volume("/a", "/data"), volume("/b", "/data/"))).toThrow(/"\/data" is requested twice/);
  });
});

test("a task has all rights on a volume, but only reads a read-only volume; a device has its own permissions", () => {
  const devices = [
    { source: "/dev/a", target: "/dev/a", read: true, write: false },
    { source: "/dev/b", target: "/dev/b", read: true, write: true },
  ];
  const mounts = [volume("/srv", "/x"), volume("/srv", "/y", true)];
  const placed = placeMounts({ mounts, devices }, folders);
  expect(placed.map(({ target, mode }) => `${target} ${formatMode(mode)}`)).toEqual([
    "/dev/a r",
    "/dev/b rw",
    "/x rwxc",
    "/y rx",
  ]);
});

describe("mounts in mounts", () => {
  const name = fc.constantFrom("a", "a-b", "b", "a.c");
  const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => `/${names.join("/")}`);

  test("come after the mounts that contain them, and a path belongs to the innermost mount", () => {
    fc.assert(
      fc.property(fc.uniqueArray(path, { minLength: 1, maxLength: 6 }), path, (targets, asked) => {
        const placed = place(...targets.map((target) => volume(`/host${target}`, target)));
        for (const [index, { target }] of placed.entries()) {
          expect(placed.slice(index + 1).filter((later) => isAtOrBelow(target, later.target))).toEqual([]);
        }
        const around = targets.filter((target) => isAtOrBelow(asked, target));
        const innermost = around.sort((one, other) => other.length - one.length)[0];
        expect(mountAround(asked, placed)?.target).toBe(innermost);
        expect(hostPath(asked, placed)).toBe(innermost === undefined ? asked : `/host${asked}`);
      }),
    );
  });
});

describe("the sources to hide", () => {
  test.each<[string, string[], string[], string[]]>([
    ["include all that no unveiled path reaches", ["/srv/a", "/srv/b"], ["/usr/bin"], ["/srv/a", "/srv/b"]],
    ["have no duplicates", ["/srv/a", "/srv/a"], [], ["/srv/a"]],
    ["exclude an unveiled path", ["/srv/a"], ["/srv/a"], []],
    ["exclude a path in an unveiled folder", ["/srv/a"], ["/srv"], []],
    ["exclude a folder that contains an unveiled path", ["/srv"], ["/srv/a/b"], []],
    ["include only the outermost of nested sources", ["/srv/a/b", "/srv/a"], [], ["/srv/a"]],
    ["include a path that only shares a prefix with an unveiled path", ["/srv/ab"], ["/srv/a"], ["/srv/ab"]],
    ["never include /", ["/"], ["/usr"], []],
  ])("%s", (_what, sources, reachable, hidden) => {
    expect(hiddenSources(sources, reachable)).toEqual(hidden);
  });
});
