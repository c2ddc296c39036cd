import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { HostEntry } from "../../../src/effects/paths/followPath.ts";
import { isAtOrBelow } from "../../../src/effects/paths/paths.ts";
import { skeletonOf } from "../../../src/effects/root/skeleton.ts";
import type { RootTemplate } from "../../../src/effects/root/taskRoot.ts";

/** A host's tree: "folder", "file", "device", or the target of a symlink. */
type Tree = Readonly<Record<string, string>>;

const usr: Tree = {
  "/usr": "folder",
  "/usr/bin": "folder",
  "/usr/lib": "folder",
  "/bin": "usr/bin",
  "/lib": "usr/lib",
  "/etc": "folder",
  "/etc/hosts": "file",
  "/etc/resolv.conf": "../run/resolve/stub.conf",
  "/run": "folder",
  "/run/resolve": "folder",
  "/run/resolve/stub.conf": "file",
  "/srv": "folder",
  "/srv/data": "folder",
  "/srv/data/log": "folder",
  "/dev": "folder",
  "/dev/null": "device",
  "/dev/stdin": "/proc/self/fd/0",
  "/loop": "loop",
  "/dangling": "/nowhere",
};

function lookIn(tree: Tree) {
  return (path: string): HostEntry | undefined => {
    const found = tree[path];
    if (found === undefined) return undefined;
    if (found === "folder" || found === "file" || found === "device") return { kind: found, id: path };
    return { kind: "link", target: found };
  };
}

function skeleton(paths: Readonly<Record<string, boolean>>, more: Partial<RootTemplate> = {}, tree = usr) {
  const template = Object.entries(paths).map(([path, writable]) => ({ path, writable, unveiled: true }));
  return skeletonOf({ paths: template, links: [], places: [], ...more }, lookIn(tree));
}

describe("the skeleton of a root", () => {
  it("has the symlinks that lead to a path, as they are on the host", () => {
    const { folders, links, files, binds } = skeleton({ "/bin": false, "/etc/resolv.conf": false });
    expect(links).toEqual([
      { path: "/bin", target: "usr/bin" },
      { path: "/etc/resolv.conf", target: "../run/resolve/stub.conf" },
    ]);
    expect(binds.map(({ path }) => path)).toEqual(["/run/resolve/stub.conf", "/usr/bin"]);
    expect(files).toEqual(["/run/resolve/stub.conf"]);
    expect(folders).toEqual(["/etc", "/run", "/run/resolve", "/usr", "/usr/bin"]);
  });

  it("omits a dangling path, and has the link of a path into /proc", () => {
    const paths = {
      "/loop": false,
      "/dangling": false,
      "/none": false,
      "/etc/hosts/x": false,
      "/dev/stdin": true,
    };
    expect(skeleton(paths)).toMatchObject({
      binds: [],
      links: [{ path: "/dev/stdin", target: "/proc/self/fd/0" }],
      folders: ["/dev"],
    });
  });

  it("binds a path once, writable if any entry says so", () => {
    expect(skeleton({ "/bin": false, "/usr/bin": true }).binds).toEqual([
      { path: "/usr/bin", writable: true, devices: false },
    ]);
  });

  it("omits paths inside a bind, and mounts writable paths inside read-only ones", () => {
    const inner = { "/srv": false, "/srv/data": true, "/srv/data/log": false };
    expect(skeleton(inner).binds.map(({ path, writable }) => [path, writable])).toEqual([
      ["/srv", false],
      ["/srv/data", true],
    ]);
    expect(skeleton(inner).folders).toEqual(["/srv"]);
    expect(skeleton({ "/srv": true, "/srv/data": false }).binds).toHaveLength(1);
  });

  it("has devices that can be used but not changed", () => {
    expect(skeleton({ "/dev/null": true }).binds).toEqual([
      { path: "/dev/null", writable: false, devices: true },
    ]);
  });

  it("has mount points for tasks, except inside binds", () => {
    const places = [
      { path: "/bin/tool", isFolder: false },
      { path: "/etc/hosts", isFolder: false },
      { path: "/proc", isFolder: true },
    ];
    const made = skeleton({ "/bin": false }, { places });
    expect(made.files).toEqual(["/etc/hosts"]);
    expect(made.folders).toEqual(["/etc", "/proc", "/usr", "/usr/bin"]);
  });

  it("has the target of each path", () => {
    const { identities } = skeleton({ "/bin": false, "/none": false, "/etc/resolv.conf": false });
    expect([...identities]).toEqual([
      ["/bin", "/usr/bin"],
      ["/etc/resolv.conf", "/run/resolve/stub.conf"],
    ]);
  });

  it("makes nothing inside a bind, and nothing twice", () => {
    const names = fc.constantFrom("a", "b", "c");
    const path = fc.array(names, { minLength: 1, maxLength: 4 }).map((parts) => `/${parts.join("/")}`);
    const kind = fc.oneof(fc.constantFrom("folder", "file", "device"), path, names);
    fc.assert(
      fc.property(
        fc.dictionary(path, kind),
        fc.array(fc.record({ path, writable: fc.boolean(), unveiled: fc.boolean() }), { maxLength: 6 }),
        fc.array(fc.record({ path, isFolder: fc.boolean() }), { maxLength: 4 }),
        (tree, paths, places) => {
          const whole = withParents(tree);
          const made = skeletonOf({ paths, links: [], places }, lookIn(whole));
          const own = [...made.folders, ...made.files, ...made.links.map((link) => link.path)];
          expect(new Set(own).size).toBe(own.length);
          for (const bind of made.binds) {
            expect(whole[bind.path]).toMatch(/^(folder|file|device)$/);
            for (const at of own) expect(at !== bind.path && isAtOrBelow(at, bind.path)).toBe(false);
          }
        },
      ),
    );
  });
});

/** Adds the missing folders above all paths. A path with other paths below it becomes a folder. */
function withParents(tree: Tree): Tree {
  const whole: Record<string, string> = { ...tree };
  for (const path of Object.keys(tree)) {
    for (let end = path.lastIndexOf("/"); end > 0; end = path.lastIndexOf("/", end - 1))
      whole[path.slice(0, end)] = "folder";
  }
  return whole;
}
