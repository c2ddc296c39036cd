/** The `mount` blocks of a job: what is refused, and where the rest is placed. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { foldersIn, placeMounts } from "../../../src/effects/layout/layout.ts";
import {
  type MountBlock,
  mountBlockProblem,
  placeMountBlocks,
} from "../../../src/effects/layout/mountBlocks.ts";
import { isAtOrBelow } from "../../../src/effects/paths/paths.ts";
import { formatMode } from "../../../src/effects/unveil/unveil.ts";

const folders = foldersIn("/nomad/alloc/6f2d", "web");
const { allocDir, taskDir, secretsDir } = folders;

const place = (...blocks: MountBlock[]) => placeMountBlocks(blocks, [], folders);
const bind = (source: string, target = "/x", more: MountBlock = {}): MountBlock => ({
  ...{ source, target },
  ...more,
});

describe("a block", () => {
  test.each<[MountBlock, string | undefined]>([
    [bind("local/app.conf", "/etc/app.conf"), undefined],
    [bind("local/app", "/app", { type: "bind", readonly: "false" }), undefined],
    [{ type: "tmpfs", target: "/var/lib/x", size: "64MB" }, undefined],
    [{ type: "tmpfs", target: "/var/lib/x", size: "64" }, undefined],
    [bind("a", "/x", { destination: "/y" }), 'has "destination"'],
    [bind("a", "/x", { read_only: "true" }), 'has "read_only"'],
    [bind("a", "/x", { type: "volume" }), 'has type = "volume"'],
    [bind("a", "/x", { readonly: "yes" }), 'has readonly = "yes"'],
    [bind("a", "/x", { size: "5" }), "has a size"],
    [{ target: "/x" }, "has no source"],
    [{ source: "local/x" }, "has no target"],
    [{}, "has no target"],
    [{ type: "tmpfs", target: "/x" }, 'has type = "tmpfs" without a size'],
    [{ type: "tmpfs", target: "/x", size: "1KB" }, 'has size = "1KB"'],
    [{ type: "tmpfs", target: "/x", size: "2000000" }, 'has size = "2000000"'],
    [{ type: "tmpfs", target: "/x", size: "much" }, 'has size = "much"'],
    [{ type: "tmpfs", target: "/x", size: "5", source: "local/x" }, 'has type = "tmpfs" and source'],
    [{ type: "tmpfs", target: "/x", size: "5", readonly: "true" }, 'has type = "tmpfs" and readonly'],
  ])("%j has the problem %j", (block, message) => {
    const problem = mountBlockProblem(block);
    expect(problem?.message).toBe(message);
    if (problem !== undefined) expect(problem.hint).not.toBe("");
  });

  test("with a misspelt key names the one that was meant", () => {
    expect(mountBlockProblem(bind("a", "/x", { read_only: "true" }))?.hint).toBe("Did you mean readonly?");
  });
});

describe("a source", () => {
  test.each([
    ["local/app.conf", taskDir, "app.conf", `${taskDir}/app.conf`],
    ["./local//conf.d/", taskDir, "conf.d", `${taskDir}/conf.d`],
    ["local", taskDir, "", taskDir],
    ["secrets/key", secretsDir, "key", `${secretsDir}/key`],
    ["alloc/data/x", allocDir, "data/x", `${allocDir}/data/x`],
    ["alloc/logsmore", allocDir, "logsmore", `${allocDir}/logsmore`],
    [`${taskDir}/app.conf`, taskDir, "app.conf", `${taskDir}/app.conf`],
    [`${allocDir}/data`, allocDir, "data", `${allocDir}/data`],
  ])("%s is in %s", (given, anchor, rest, source) => {
    expect(place(bind(given)).mounts).toEqual([
      expect.objectContaining({ kind: "mount", target: "/x", source, own: { anchor, rest } }),
    ]);
  });

  test.each([
    ...["", ".", "/", "/etc/passwd", "app.conf", "tmp/x", "tmp", "locals/x", "/nomad/alloc/6f2d/web"],
    ...[
      "local/../secrets/x",
      "..",
      "local/..",
      "alloc/data/../logs",
      `${taskDir}/../../alloc/logs`,
      "local/a\0",
    ],
    ...["alloc", "alloc/", "alloc/.", "alloc/logs", "alloc//logs/", "alloc/logs/web.stdout.0", allocDir],
    ...[`${allocDir}/logs`, `${allocDir}//logs/x`, "/nomad/alloc/6f2d/other/local/x", `${taskDir}x`],
  ])("%j is refused", (source) => {
    expect(() => place(bind(source))).toThrow(
      expect.objectContaining({ code: "MOUNT_SOURCE_INVALID", option: "mount", hint: expect.any(String) }),
    );
  });

  test("never is in the folder of the logs or out of the folders, whatever is written", () => {
    const segment = fc.constantFrom("local", "alloc", "logs", "secrets", "data", ".", "..", "", "tmp");
    const path = fc
      .tuple(fc.constantFrom("", "/", `${taskDir}/`, `${allocDir}/`, "/nomad/"), fc.array(segment))
      .map(([start, segments]) => start + segments.join("/"));
    fc.assert(
      fc.property(path, (source) => {
        let placed: ReturnType<typeof place>;
        try {
          placed = place(bind(source));
        } catch (thrown) {
          expect(thrown).toMatchObject({ code: "MOUNT_SOURCE_INVALID" });
          return;
        }
        const found = placed.mounts[0]?.source ?? "";
        expect([taskDir, allocDir, secretsDir].some((folder) => isAtOrBelow(found, folder))).toBe(true);
        expect(isAtOrBelow(found, `${allocDir}/logs`) || found === allocDir).toBe(false);
        expect(found.split("/")).not.toContain("..");
      }),
    );
  });

  test.each([
    ["local/x", {}, "rx"],
    ["local/x", { readonly: "true" }, "rx"],
    ["local/x", { readonly: "false" }, "rwxc"],
    ["alloc/data", { readonly: "false" }, "rwxc"],
    ["secrets/x", {}, "r"],
    ["secrets/x", { readonly: "false" }, "rwc"],
  ] as const)("%s with %j gives %s, no more than its folder", (source, more, mode) => {
    const [mount] = place(bind(source, "/x", more)).mounts;
    expect(mount && formatMode(mount.mode)).toBe(mode);
    expect(mount?.readOnly).toBe(!mode.includes("w"));
  });
});

describe("a target", () => {
  test.each([
    ["/etc/app/app.conf", "/etc/app/app.conf"],
    ["//srv/./data/", "/srv/data"],
    ["/tmp/in", "/tmp/in"],
    ["/devices", "/devices"],
    ["/etc/hostname", "/etc/hostname"],
  ])("%s is %s", (given, target) => {
    expect(place(bind("local/x", given)).mounts[0]?.target).toBe(target);
    const memory = place({ type: "tmpfs", target: given, size: "64MB" });
    expect(memory).toEqual({ mounts: [], inMemory: [{ target, bytes: 64_000_000 }] });
  });

  test.each([
    ...["", "/", "//.", "etc/app", "local/x", "/etc/../x", "/..", "/a\0b"],
    ...["/dev", "/dev/shm", "/proc", "/proc/self", "/sys", "/sys/fs/cgroup", "/tmp", "/tmp/"],
    ...["/etc", "/etc/hosts", "/etc/resolv.conf", "/etc/passwd", "/etc/group", "/etc/hosts/x"],
    ...[
      taskDir,
      `${taskDir}/in`,
      allocDir,
      `${allocDir}/logs`,
      secretsDir,
      folders.rootDir,
      "/nomad",
      "/nomad/alloc",
    ],
  ])("%j is refused", (target) => {
    for (const block of [bind("local/x", target), { type: "tmpfs", target, size: "1" }]) {
      expect(() => place(block)).toThrow(
        expect.objectContaining({ code: "MOUNT_TARGET_INVALID", option: "mount", hint: expect.any(String) }),
      );
    }
  });

  test.each([
    ["/srv", "/srv"],
    ["/srv/a", "/srv"],
    ["/srv", "/srv/a"],
  ])("at %s overlaps with one at %s, whatever its kind", (one, other) => {
    const volume = { source: "/data", target: other, readOnly: false, propagation: "private" } as const;
    const device = { source: "/dev/a", target: other, read: true, write: true };
    const others = [
      placeMounts({ mounts: [volume], devices: [] }, folders),
      placeMounts({ mounts: [], devices: [device] }, folders),
    ];
    const memory: MountBlock = { type: "tmpfs", target: one, size: "1" };
    const overlapping = expect.objectContaining({ message: expect.stringContaining("overlaps with") });
    for (const block of [bind("local/x", one), memory]) {
      for (const placed of others)
        expect(() => placeMountBlocks([block], placed, folders)).toThrow(overlapping);
      expect(() => place(bind("local/y", other), block)).toThrow(overlapping);
    }
  });

  test("is in the order of the paths, and in no other one", () => {
    const target = fc
      .array(fc.constantFrom("a", "b", "a.b", "c"), { minLength: 1, maxLength: 3 })
      .map((names) => `/${names.join("/")}`);
    fc.assert(
      fc.property(fc.uniqueArray(target, { maxLength: 6 }), (targets) => {
        const overlaps = targets.some((one) => targets.some((two) => one !== two && isAtOrBelow(one, two)));
        const work = () => place(...targets.map((each) => bind("local/x", each)));
        if (overlaps) expect(work).toThrow("overlaps with");
        else expect(work().mounts.map((mount) => mount.target)).toEqual(targets.toSorted());
      }),
    );
  });
});
