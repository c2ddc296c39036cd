/** The mounts that a started task sees. */
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { folderOfFile } from "../../support/host/temporaryFolder.ts";
import { TestRun, taskLines } from "../../support/launch/launchRun.ts";

const folder = folderOfFile();

describe("a task's file system", () => {
  it("has its own /tmp, mounted without devices and set-user-ID programs", async () => {
    const own = join(folder, "own-tmp");
    mkdirSync(own, { mode: 0o777 });
    writeFileSync(join(own, "mine"), "");
    const lines = await taskLines("ls /tmp; grep ' /tmp ' /proc/self/mountinfo", { privateTmp: own });
    expect(lines[0]).toBe("mine");
    expect(lines[1]).toMatch(/ \/tmp \S*nosuid\S*nodev/);
    expect(existsSync("/tmp/mine")).toBe(false);
  });

  it("does not follow a symlink that the task put in place of its /tmp", async () => {
    const link = join(folder, "link-tmp");
    symlinkSync("/etc", link);
    using run = new TestRun();
    await expect(run.start({ privateTmp: link })).rejects.toMatchObject({
      code: "LAUNCH_FAILED",
      message: expect.stringContaining('step "mount private /tmp" failed'),
    });
  });

  it("has its bind mounts, writable or read-only, which the host does not see", async () => {
    const source = join(folder, "source");
    const target = join(folder, "target");
    mkdirSync(source);
    mkdirSync(target);
    writeFileSync(join(source, "file"), "content");
    const bind = (readOnly: boolean) => ({ binds: [{ source, target, readOnly }], uid: 0, gid: 0 });
    const script = `cat ${target}/file; echo; echo more > ${target}/new; echo $?`;
    expect(await taskLines(script, bind(true))).toEqual([
      "content",
      expect.stringContaining("Read-only"),
      "2",
    ]);
    expect(await taskLines(script, bind(false))).toEqual(["content", "0"]);
    expect(existsSync(join(target, "file"))).toBe(false);
    expect(existsSync(join(source, "new"))).toBe(true);
  });

  it("has a file that is bind-mounted over another file", async () => {
    const resolvConf = join(folder, "resolv.conf");
    writeFileSync(resolvConf, "nameserver 192.0.2.1\n");
    const binds = [{ source: resolvConf, target: "/etc/hostname", readOnly: true }];
    expect(await taskLines("cat /etc/hostname", { binds })).toEqual(["nameserver 192.0.2.1"]);
  });

  it("follows no symlink on the path at which a volume is mounted", async () => {
    const source = join(folder, "volume");
    const link = join(folder, "link-to-etc");
    mkdirSync(source);
    symlinkSync("/etc", link);
    const mount = {
      kind: "volume",
      source,
      isFolder: true,
      readOnly: false,
      propagation: "private",
    } as const;
    using run = new TestRun();
    for (const target of [link, `${link}/ssl`]) {
      await expect(run.start({ mounts: [{ ...mount, target }] })).rejects.toMatchObject({
        code: "LAUNCH_FAILED",
        message: expect.stringMatching(/step "mount the volume .*" failed \(openat2 .*: ELOOP\)/),
      });
    }
  });

  it("follows no symlink to the task's own files that are mounted, nor on the way, as it does for a volume", async () => {
    const [source, link, target] = ["own", "link-to-own", "own-target"].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    for (const path of [source, join(source, "in"), target]) mkdirSync(path);
    writeFileSync(join(source, "in", "file"), "content");
    symlinkSync(source, link);
    const mounting = (kind: "mount" | "volume", path: string) => ({
      ...{ uid: 0, gid: 0 },
      mounts: [
        {
          ...{ kind, target, isFolder: true, readOnly: true },
          source: path,
          propagation: "private" as const,
        },
      ],
    });
    const script = `cat ${target}/file ${target}/in/file 2> /dev/null; echo`;
    for (const path of [link, `${link}/in`]) {
      expect(await taskLines(script, mounting("volume", path))).toEqual(["content"]);
      using run = new TestRun();
      await expect(run.start(mounting("mount", path))).rejects.toMatchObject({
        code: "LAUNCH_FAILED",
        message: expect.stringMatching(/step "mount the task's own .*" failed \(openat2 .*: ELOOP\)/),
      });
    }
    expect(await taskLines(script, mounting("mount", `${source}/in`))).toEqual(["content"]);
  });

  it("has volumes although their sources are hidden, and nothing at hidden paths", async () => {
    const [one, other] = ["one", "other"].map((name) => join(folder, name)) as [string, string];
    for (const path of [one, other]) mkdirSync(path);
    writeFileSync(join(one, "file"), "one");
    writeFileSync(join(other, "file"), "other");
    const swapped = [
      { source: one, target: other },
      { source: other, target: one },
    ].map(
      (mount) =>
        ({ kind: "volume", isFolder: true, readOnly: false, propagation: "private", ...mount }) as const,
    );
    const hidden = [
      { path: "/usr/share/zoneinfo", isFolder: true },
      { path: "/etc/hostname", isFolder: false },
    ];
    const script = `cat ${one}/file; echo; cat ${other}/file; echo; ls -A /usr/share/zoneinfo; tr -d "\\0" < /etc/hostname; echo x > /etc/hostname`;
    expect(await taskLines(script, { mounts: swapped, hidden, uid: 0, gid: 0 })).toEqual([
      "other",
      "one",
      expect.stringMatching(/hostname: Read-only file system/),
    ]);
  });
});
