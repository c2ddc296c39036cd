/** The attributes of a started task's process. */
import { existsSync, mkdirSync, readFileSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { defaultTaskOptions } from "../../../src/effects/parts.ts";
import { eventually } from "../../support/host/eventually.ts";
import { TestRun, taskLines, taskUid } from "../../support/launch/launchRun.ts";

describe("a task's process", () => {
  it("is PID 2, leads a session and a group, and its init is PID 1", async () => {
    expect(
      await taskLines('echo $$ $PPID; cut -d" " -f5,6 /proc/self/stat; tr "\\0" " " < /proc/1/cmdline'),
    ).toEqual(["2 1", "2 2", "exec2-init: 01234567/test"]);
  });

  it("sees only the processes of its run", async () => {
    expect(await taskLines("for p in /proc/[0-9]*; do echo $p; done")).toEqual(["/proc/1", "/proc/2"]);
  });

  it("has the requested ids and none of this process's groups", async () => {
    const status = await taskLines("cat /proc/self/status");
    expect(status).toContain(`Uid:\t${[taskUid, taskUid, taskUid, taskUid].join("\t")}`);
    expect(status).toContain(`Gid:\t${[taskUid, taskUid, taskUid, taskUid].join("\t")}`);
    expect(status.find((line) => line.startsWith("Groups:"))?.trim()).toBe("Groups:");
  });

  it("has the requested supplementary groups", async () => {
    const status = await taskLines("cat /proc/self/status", { groups: [7, 84243] });
    expect(status.find((line) => line.startsWith("Groups:"))?.trim()).toBe("Groups:\t7 84243");
  });

  it("has no capabilities, gets none, and has a clean signal state", async () => {
    const status = await taskLines("cat /proc/self/status");
    const none = "0".repeat(16);
    for (const name of ["CapInh", "CapPrm", "CapEff", "CapAmb", "SigPnd", "SigBlk", "SigIgn"]) {
      expect(status).toContain(`${name}:\t${none}`);
    }
    expect(status).toContain("NoNewPrivs:\t1");
  });

  it("has descriptors 0 to 2 and no others, and /dev/null to read from", async () => {
    const lines = await taskLines("ls /proc/$$/fd; readlink /proc/$$/fd/0; wc -c");
    expect(lines).toEqual(["0", "1", "2", "/dev/null", "0"]);
  });

  it("has exactly the environment that was given, empty values included", async () => {
    const env = { PATH: "/usr/bin:/bin", EMPTY: "", LINES: "a\nb", UMLAUT: "ä=ö", QUOTE: `"'$` };
    using run = new TestRun();
    await run.start({ command: "/usr/bin/env", args: ["-0"], env });
    await run.ended();
    expect(run.output()).toBe(
      Object.entries(env)
        .map(([name, value]) => `${name}=${value}\0`)
        .join(""),
    );
  });

  it("has the arguments that were given, empty ones included", async () => {
    using run = new TestRun();
    await run.start({ command: "/usr/bin/printf", args: ["[%s]", "", "a b", "ü\n", "-n"] });
    await run.ended();
    expect(run.output()).toBe("[][a b][ü\n][-n]");
  });

  it("has the umask, working directory, oom_score_adj and limits that were given", async () => {
    const lines = await taskLines("umask; pwd; cat /proc/self/oom_score_adj; ulimit -Sn; ulimit -Hn", {
      workDir: "/usr/lib",
      options: { ...defaultTaskOptions(), umask: "027", oomScoreAdj: 321 },
      limits: [{ resource: "RLIMIT_NOFILE", soft: 512, hard: 2048 }],
    });
    expect(lines).toEqual(["0027", "/usr/lib", "321", "512", "2048"]);
  });

  it("is restricted by the ruleset", async () => {
    using run = new TestRun(["/usr", "/lib", "/lib64", "/bin", "/etc/hostname"]);
    await run.startScript("cat /etc/hostname; cat /etc/passwd");
    await run.ended();
    const [hostname, refusal] = run.output().trim().split("\n");
    expect(hostname).toBe(readFileSync("/etc/hostname", "utf8").trim());
    expect(refusal).toMatch(/passwd: Permission denied/);
  });

  it.each([taskUid, 0])("cannot look into init, even as uid %i", async (uid) => {
    const looks = ["head -c1 /proc/1/mem", "readlink -v /proc/1/exe", "readlink -v /proc/1/fd/0"];
    const lines = await taskLines(`${looks.map((look) => `${look} 2>&1`).join("; ")}; true`, {
      uid,
      gid: uid,
    });
    expect(lines).toHaveLength(looks.length);
    for (const line of lines) expect(line).toMatch(/Permission denied/);
  });

  it("finds no secrets in the files of init that root may read", async () => {
    const env = { PATH: "/usr/bin:/bin", TOKEN: "very-secret" };
    const script = "tr '\\0' '\\n' < /proc/1/environ; tr '\\0' ' ' < /proc/1/cmdline";
    expect(await taskLines(script, { uid: 0, gid: 0, env })).toEqual(["exec2-init: 01234567/test"]);
  });

  it("starts in its cgroup", async () => {
    const hierarchy = existsSync("/sys/fs/cgroup/cgroup.procs") ? "/sys/fs/cgroup" : "/sys/fs/cgroup/unified";
    const name = `exec2-test-${process.pid}`;
    mkdirSync(join(hierarchy, name));
    try {
      const cgroup = join(hierarchy, name);
      expect(await taskLines("cat /proc/self/cgroup /proc/1/cgroup", { cgroup })).toEqual(
        expect.arrayContaining([`0::/${name}`, `0::/${name}`]),
      );
    } finally {
      // A process leaves its cgroup a moment after its files are closed.
      await eventually(() => rmdirSync(join(hierarchy, name)));
    }
  });
});
