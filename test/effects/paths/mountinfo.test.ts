import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  mountPoints,
  overlayLayers,
  receivesMounts,
  remoteMountPoints,
} from "../../../src/effects/paths/mountinfo.ts";

const mountinfo = `22 28 0:20 / /proc rw,nosuid,nodev,noexec,relatime shared:14 - proc proc rw
30 28 0:26 / /sys/fs/cgroup rw,nosuid shared:9 master:1 - cgroup2 cgroup2 rw,nsdelegate
36 35 98:0 /mnt1 /mnt/with\\040space\\011tab rw,noatime - cgroup2 /dev/- rw
37 35 98:0 / /cgroup2 rw - ext4 cgroup2 rw
41 31 0:38 / /back\\134slash rw,relatime master:2 propagate_from:1 - cgroup2 cgroup2 rw
`;

describe("mountinfo", () => {
  it("finds the mount points of a file system type, with any optional fields", () => {
    expect(mountPoints(mountinfo, "cgroup2")).toEqual([
      "/sys/fs/cgroup",
      "/mnt/with space\ttab",
      "/back\\slash",
    ]);
    expect(mountPoints(mountinfo, "proc")).toEqual(["/proc"]);
  });

  it("finds file systems that may not answer: network file systems and those of processes", () => {
    const types = ["nfs4", "fuse.sshfs", "fuse", "ext4", "cifs", "tmpfs", "fusectl", "autofs", "9p", "nfsd"];
    const lines = types.map((type, index) => `${index} 1 0:${index} / /${type} rw shared:1 - ${type} it rw`);
    const remote = ["/nfs4", "/fuse.sshfs", "/fuse", "/cifs", "/autofs", "/9p"];
    expect(remoteMountPoints(lines.join("\n"))).toEqual(remote);
  });

  it.each([
    [22, true],
    [30, true],
    [41, true],
    [36, false],
    [37, false],
    [2, false],
    [99, false],
    [Number.NaN, false],
  ])("shows whether slaves of mount %d get later mounts below it: %s", (id, receives) => {
    expect(receivesMounts(mountinfo, id)).toBe(receives);
  });

  it("finds a mount point with any name, and no other mount by this name", () => {
    const name = fc
      .oneof(
        fc.string({ unit: "grapheme" }),
        fc.constantFrom("a - cgroup2 x", "\n1 2 0:1 / /x rw - proc p rw", "\\040"),
      )
      .map((text) => `/${text.replaceAll("\0", "")}`);
    // As the kernel writes them.
    const escaped = (path: string) =>
      path.replaceAll(/[ \t\n\\]/g, (c) => `\\${c.charCodeAt(0).toString(8).padStart(3, "0")}`);
    fc.assert(
      fc.property(fc.array(fc.tuple(name, fc.constantFrom("cgroup2", "proc", "ext4"))), (mounts) => {
        const lines = mounts.map(
          ([path, type], index) =>
            `${index} 1 0:1 / ${escaped(path)} rw shared:1 - ${type} ${escaped(path)} rw\n`,
        );
        const expected = mounts.filter(([, type]) => type === "cgroup2").map(([path]) => path);
        expect(mountPoints(lines.join(""), "cgroup2")).toEqual(expected);
      }),
    );
  });

  it.each(["", "\n", "no mountinfo at all", "1 2 3 4 5"])("returns nothing for %j", (text) => {
    expect(mountPoints(text, "cgroup2")).toEqual([]);
  });
});

it.each([
  ["rw,lowerdir=/a:/b,upperdir=/c\\040d,workdir=/w,redirect_dir=on", ["/a", "/b", "/c d"]],
  ["ro,lowerdir=/a\\134:b:/c\\054d::/data", ["/a:b", "/c,d", "/data"]],
  ["ro,lowerdir=/a\\072b:/c", ["/a:b", "/c"]],
  ["ro,lowerdir+=/a:b,lowerdir+=/c,datadir+=/d", ["/a:b", "/c", "/d"]],
  ["rw,lowerdir=l/ABC:l/DEF,upperdir=x/diff", []],
  ["rw,lowerdir", []],
])("an overlay with the options %j has the layers %j", (options, layers) => {
  expect(overlayLayers(options)).toEqual(layers);
});
