/** What a started task finds mounted. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TestRun, taskLines } from "../../support/launchRun.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "mounts-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("a task's file system", () => {
  it("has its own /tmp, where devices and set-uid programs do nothing", async () => {
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

  it("has binds in their place, writable or not, that the host does not see", async () => {
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

  it("has a file bound over another", async () => {
    const resolvConf = join(folder, "resolv.conf");
    writeFileSync(resolvConf, "nameserver 192.0.2.1\n");
    const binds = [{ source: resolvConf, target: "/etc/hostname", readOnly: true }];
    expect(await taskLines("cat /etc/hostname", { binds })).toEqual(["nameserver 192.0.2.1"]);
  });
});
