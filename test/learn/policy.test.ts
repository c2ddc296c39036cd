import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Access } from "../../src/effects/observe/access.ts";
import { follow, type HostEntry } from "../../src/effects/paths/followPath.ts";
import { isNothing, type PathRight, rightsAt, without } from "../../src/effects/unveil/pathRights.ts";
import { formatUnveil, modeOf, parseUnveil, unveilProblem } from "../../src/effects/unveil/unveil.ts";
import { type HostView, learnPolicy } from "../../src/learn/policy.ts";

/** A host with these symlinks, on which every other path exists. */
function hostWith(links: Readonly<Record<string, string>>, homes: readonly string[] = []): HostView {
  const lookAt = (path: string): HostEntry => {
    const target = links[path];
    return target === undefined ? { kind: "file", id: path } : { kind: "link", target };
  };
  return { follow: (path) => follow(path, lookAt), linkerOf: () => undefined, homes };
}

const host = hostWith({}, ["/home/joe", "/root"]);
const nothing = { paths: [], allocations: [] };
const read = (path: string): Access => ({ kind: "opened", path, read: true, write: false, created: false });
const learned = (
  accesses: readonly Access[],
  present = nothing as Parameters<typeof learnPolicy>[1],
  on = host,
) => learnPolicy(accesses, present, on).unveil.map(formatUnveil);

describe("a learned policy", () => {
  it("allows opened paths with the used rights only", () => {
    const accesses: Access[] = [
      read("/etc/mime.types"),
      { kind: "opened", path: "/srv/log", read: true, write: true, created: false },
      { kind: "executed", path: "/opt/bin/tool" },
      { kind: "named", use: "change", path: "/srv/times", errno: 0 },
      { kind: "named", use: "connect", path: "/run/db/socket", errno: 111 },
      { kind: "controlled", path: "/dev/kvm", request: 0xae00 },
    ];
    expect(learned(accesses)).toEqual([
      "w:/dev/kvm",
      "r:/etc/mime.types",
      "rx:/opt/bin/tool",
      "w:/run/db/socket",
      "rw:/srv/log",
      "w:/srv/times",
    ]);
  });

  it("allows the folder of created files, with the used rights", () => {
    const accesses: Access[] = [
      { kind: "opened", path: "/srv/cache/a", read: false, write: true, created: true },
      { kind: "named", use: "make", path: "/srv/cache/folder/", errno: 0 },
      { kind: "named", use: "make", path: "/srv/other/x", errno: 17 },
      read("/srv/cache/b/c"),
    ];
    expect(learned(accesses)).toEqual(["rwc:/srv/cache"]);
  });

  it("allows a whole folder if many of its files were read, but never a shared folder", () => {
    const files = (folder: string) => ["a", "b", "c", "d"].map((name) => read(`${folder}/${name}`));
    expect(learned(files("/usr/share/app"))).toEqual(["r:/usr/share/app"]);
    expect(learned(files("/usr/share"))).toHaveLength(4);
    expect(learned(files("/etc"))).toHaveLength(4);
    expect(learned(files("/home/joe"))).toHaveLength(4);
  });

  it("allows the folder of an installation, whose files have a version in their paths", () => {
    expect(learned([read("/usr/share/perl/5.40.1/strict.pm")])).toEqual(["r:/usr/share/perl"]);
    expect(learned([read("/opt/tool/v2.3/lib/a"), { kind: "executed", path: "/opt/tool/v2.3/run" }])).toEqual(
      ["rx:/opt/tool"],
    );
    // Nothing may stand for the files of a shared folder, and a file that is written is no installation.
    expect(learned([read("/opt/2.3/a")])).toEqual(["r:/opt/2.3/a"]);
    const written = {
      kind: "opened",
      path: "/srv/data/1.2/log",
      read: false,
      write: true,
      created: false,
    } as const;
    expect(learned([written])).toEqual(["w:/srv/data/1.2/log"]);
  });

  it("leaves out what names a device of this host", () => {
    const paths = ["/sys/devices/virtual/block/loop0/dev", "/sys/dev/block/7:0", "/sys/class/net/eth0/mtu"];
    const general = ["/sys/devices/system/cpu/online", "/sys/class/net"];
    const policy = learnPolicy([...paths, ...general].map(read), nothing, host);
    expect(policy.unveil.map(formatUnveil)).toEqual(["r:/sys/class/net", "r:/sys/devices/system/cpu/online"]);
    expect(policy.leftOut.map(({ why }) => why)).toEqual(paths.map(() => "names a device of this host"));
  });

  it("omits rights that the task has already", () => {
    const paths = [parseUnveil("rx:/usr/lib", "default"), parseUnveil("r:/srv", "task")];
    const accesses: Access[] = [
      read("/usr/lib/a.so"),
      read("/srv/a"),
      { kind: "opened", path: "/srv/b", read: true, write: true, created: false },
    ];
    expect(learned(accesses, { paths, allocations: [] })).toEqual(["w:/srv/b"]);
  });

  it("uses identity files instead of the host's", () => {
    const policy = learnPolicy([read("/etc/passwd")], nothing, host);
    expect(policy).toMatchObject({ unveil: [], identityFiles: true });
  });

  it("lists paths that it does not open, with the reasons", () => {
    const accesses = ["/", "/home/joe", "/root/.ssh/id", "/srv/a*", "/alloc/task/new"].map(read);
    const policy = learnPolicy(accesses, { paths: [], allocations: ["/alloc"] }, host);
    expect(policy.unveil).toEqual([]);
    expect(policy.leftOut.map(({ path, why }) => `${path} ${why}`)).toEqual([
      "/ is all of the host",
      expect.stringMatching(/^\/alloc\/task\/new is in the allocation's folder/),
      "/home/joe is somebody's home",
      "/root/.ssh/id holds secrets of the host",
      "/srv/a* has a character that no entry may have",
    ]);
  });

  it("names paths that were reached through a symlink that the task's root would lack", () => {
    const on = hostWith({ "/opt/app/current": "/opt/app/releases/1" });
    const named: Access = { kind: "named", use: "open", path: "/opt/app/current/./file", errno: 0 };
    expect(learned([named, read("/opt/app/releases/1/file")], nothing, on)).toEqual([
      "r:/opt/app/current/file",
    ]);
    // Unveiling the folder also makes its link visible.
    const paths = [parseUnveil("r:/opt/app", "task")];
    expect(learned([named, read("/opt/app/releases/1/file")], { paths, allocations: [] }, on)).toEqual([]);
  });

  it("has one entry for all processes in /proc", () => {
    expect(learned([read("/proc/17/status"), read("/proc/17/fd/3"), read("/proc/meminfo")])).toEqual([
      "r:/proc/meminfo",
      "r:/proc/self/fd",
      "r:/proc/self/status",
    ]);
  });

  it("distinguishes paths that were only looked up, and paths that do not exist", () => {
    const look = (path: string, errno = 0): Access => ({ kind: "named", use: "lookUp", path, errno });
    const policy = learnPolicy(
      [look("/opt/x"), look("/opt/y", 2), look("/srv"), read("/srv/a")],
      nothing,
      host,
    );
    expect(policy.lookedAt.map(formatUnveil)).toEqual(["r:/opt/x"]);
    expect(policy.missing).toEqual(["/opt/y"]);
  });

  it("has the TCP ports, without those that the kernel chose", () => {
    const port = (kind: "connected" | "bound", number: number, tcp = true): Access => ({
      ...(kind === "bound" ? { kind } : { kind, address: "127.0.0.1" }),
      port: number,
      tcp,
    });
    const of = (...accesses: Access[]) => learnPolicy(accesses, nothing, host);
    expect(of(port("connected", 443), port("connected", 53, false), port("bound", 80))).toMatchObject({
      connectTcp: [443],
      bindTcp: [80],
    });
    expect(of(port("connected", 40_000), port("bound", 0))).toMatchObject({ connectTcp: [], bindTcp: [0] });
  });
});

const names = fc.constantFrom("etc", "usr", "share", "srv", "home", "joe", ".ssh", "a", "b", "c", "d", "e");
const paths = fc.array(names, { maxLength: 5 }).map((parts) => `/${parts.join("/")}`);
const accesses = fc.array(
  fc.oneof(
    fc.record({
      kind: fc.constant("opened" as const),
      path: paths,
      read: fc.boolean(),
      write: fc.boolean(),
      created: fc.boolean(),
    }),
    fc.record({ kind: fc.constant("executed" as const), path: paths }),
    fc.record({
      kind: fc.constant("named" as const),
      use: fc.constantFrom("lookUp", "open", "make", "remove", "change", "connect"),
      path: paths,
      errno: fc.constantFrom(0, 2),
    }),
  ),
  { maxLength: 25 },
);

/** Whether entries allow a right on a host without symlinks. */
function allows(entries: readonly PathRight[], { path, mode }: PathRight): boolean {
  return isNothing(without(mode, rightsAt(path, entries)));
}

describe("whatever was used", () => {
  const isForbidden = (path: string) =>
    path === "/" || path === "/home" || path === "/home/joe" || path.includes("/.ssh");

  it("is allowed by the policy, except for what the policy excludes", () => {
    fc.assert(
      fc.property(accesses, (used) => {
        const policy = learnPolicy(used, nothing, host);
        for (const access of used) {
          if (access.kind !== "opened" || policy.leftOut.some(({ path }) => path === access.path)) continue;
          const mode = modeOf(`${access.read ? "r" : ""}${access.write ? "w" : ""}`);
          expect(allows(policy.unveil, { path: access.path, mode })).toBe(true);
        }
      }),
    );
  });

  it("gives entries that options may have, none of them forbidden", () => {
    fc.assert(
      fc.property(accesses, (used) => {
        const { unveil, lookedAt } = learnPolicy(used, nothing, host);
        for (const { path, mode } of [...unveil, ...lookedAt]) {
          expect(unveilProblem(formatUnveil({ path, mode }))).toBeUndefined();
          expect(isForbidden(path)).toBe(false);
        }
      }),
    );
  });

  it("loses no right when more is used", () => {
    fc.assert(
      fc.property(accesses, accesses, (used, more) => {
        const before = learnPolicy(used, nothing, host).unveil;
        const after = learnPolicy([...used, ...more], nothing, host).unveil;
        for (const right of before) expect(allows(after, right)).toBe(true);
      }),
    );
  });

  it("needs nothing more once it is allowed", () => {
    fc.assert(
      fc.property(accesses, (used) => {
        const { unveil } = learnPolicy(used, nothing, host);
        expect(learnPolicy(used, { paths: unveil, allocations: [] }, host).unveil).toEqual([]);
      }),
    );
  });
});
