import { existsSync, mkdirSync, readFileSync, rmdirSync, symlinkSync, writeFileSync } from "node:fs";
import { describe, expect, it, onTestFinished } from "vitest";
import {
  applyCgroupWrites,
  checkCgroup,
  findCgroup2Mount,
  readControllers,
  readOomKills,
  taskCgroupId,
} from "../../../src/effects/cgroup/cgroup.ts";
import { planCgroupWrites } from "../../../src/effects/cgroup/cgroupPlan.ts";
import { errorOf } from "../../support/errors.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";

const mount = findCgroup2Mount() ?? "(none)";

/** A cgroup for the test, removed afterwards. */
function temporaryCgroup(): string {
  const cgroup = `${mount}/exec2-test-${process.pid}-${Math.random().toString(16).slice(2)}.scope`;
  mkdirSync(cgroup);
  onTestFinished(() => rmdirSync(cgroup));
  return cgroup;
}

describe("the cgroup that a task gets", () => {
  it("is accepted if it is a folder of cgroup v2", () => {
    const cgroup = temporaryCgroup();
    expect(checkCgroup(cgroup)).toBe(cgroup);
  });

  it("has a path without symlinks, so that nobody can change its target later", () => {
    const cgroup = temporaryCgroup();
    const link = `${temporaryFolder()}/link`;
    symlinkSync(cgroup, link);
    expect(checkCgroup(link)).toBe(cgroup);
  });

  it.each([
    ["", "names no cgroup"],
    ["nomad.slice/a.scope", "plain absolute path"],
    [`${mount}/../etc`, "plain absolute path"],
    [`${mount}//a`, "plain absolute path"],
    [`${mount}/a/..`, "plain absolute path"],
    ["/", "not on a cgroup v2"],
    ["/tmp", "not on a cgroup v2"],
    ["/sys/fs", "not on a cgroup v2"],
    [mount, "root of a cgroup v2 mount"],
    [`${mount}/exec2-no-such.scope`, "does not exist"],
    [`${mount}/cgroup.procs/x`, "does not exist"],
  ])("%j is refused: %s", (path, why) => {
    expect(errorOf(() => checkCgroup(path))).toMatchObject({
      code: "CGROUP_MISSING",
      message: expect.stringContaining(why),
      hint: expect.stringContaining("cgroups v2"),
    });
  });

  it("is refused if a symlink leads to the root cgroup", () => {
    const link = `${temporaryFolder()}/link`;
    symlinkSync(mount, link);
    expect(errorOf(() => checkCgroup(link)).message).toContain("root of a cgroup v2 mount");
  });
});

it("a cgroup that is made anew is another one", () => {
  const cgroup = temporaryCgroup();
  const first = taskCgroupId(cgroup);
  expect(taskCgroupId(cgroup)).toBe(first);
  rmdirSync(cgroup);
  expect(errorOf(() => taskCgroupId(cgroup))).toMatchObject({ code: "CGROUP_MISSING" });
  mkdirSync(cgroup);
  expect(taskCgroupId(cgroup)).not.toBe(first);
});

describe("limits", () => {
  it("are set in the kernel, or reported as missing", () => {
    const cgroup = temporaryCgroup();
    const resources = { cpuMhz: 1000, memoryMb: 64, memoryMaxMb: 128, cpusetCpus: "", cgroup };
    const writes = planCgroupWrites(resources, { mhzPerCore: 2500 }, { cpuHardLimit: true });
    const outcomes = applyCgroupWrites(cgroup, writes);
    expect(outcomes.map(({ file, value }) => ({ file, value }))).toEqual(
      writes.map(({ file, value }) => ({ file, value })),
    );
    for (const outcome of outcomes) {
      const path = `${cgroup}/${outcome.file}`;
      if (outcome.applied) expect(readFileSync(path, "utf8").trimEnd()).toBe(outcome.value);
      else
        expect([existsSync(path), outcome.reason]).toEqual([false, expect.stringMatching(/controller|swap/)]);
    }
  });

  it("of a file that every cgroup has are written and read back", () => {
    const cgroup = temporaryCgroup();
    const write = { file: "cgroup.max.depth", value: "7", why: "test" };
    expect(applyCgroupWrites(cgroup, [write])).toEqual([
      { file: "cgroup.max.depth", value: "7", applied: true },
    ]);
    expect(readFileSync(`${cgroup}/cgroup.max.depth`, "utf8")).toBe("7\n");
  });

  it.each([
    ["memory.max", "the cgroup has no memory controller"],
    ["cpuset.cpus", "the cgroup has no cpuset controller"],
    ["memory.swap.max", "the kernel does not account for swap in this cgroup"],
  ])("%s is reported as missing, and no file is created", (file, reason) => {
    const folder = temporaryFolder();
    expect(applyCgroupWrites(folder, [{ file, value: "1", why: "test" }])).toEqual([
      { file, value: "1", applied: false, reason },
    ]);
    expect(existsSync(`${folder}/${file}`)).toBe(false);
  });

  it("that a job requires keep its task from starting if they are missing, and the error says what to do", () => {
    const write = { file: "io.max", value: "8:0 rbps=1", why: "test", isRequired: true } as const;
    expect(errorOf(() => applyCgroupWrites(temporaryFolder(), [write]))).toMatchObject({
      code: "CGROUP_UNSUPPORTED",
      message: expect.stringContaining("the cgroup has no io controller"),
      hint: expect.stringContaining("driver.exec2.cgroup.controllers has io"),
    });
  });

  it("with a known problem are not written, and have it as their reason", () => {
    const cgroup = temporaryCgroup();
    const write = { file: "cgroup.max.depth", value: "7", why: "test", problem: "not on sda" };
    expect(applyCgroupWrites(cgroup, [write])).toEqual([
      { file: "cgroup.max.depth", value: "7", applied: false, reason: "not on sda" },
    ]);
    expect(readFileSync(`${cgroup}/cgroup.max.depth`, "utf8")).toBe("max\n");
  });

  it("that the kernel refuses are an error with file, value and errno", () => {
    const cgroup = temporaryCgroup();
    const error = errorOf(() =>
      applyCgroupWrites(cgroup, [{ file: "cgroup.max.depth", value: "seven", why: "test" }]),
    );
    expect(error).toMatchObject({
      code: "CGROUP_WRITE_FAILED",
      failed: { call: "write", path: `${cgroup}/cgroup.max.depth`, errno: "EINVAL" },
      recoverable: false,
    });
    expect(error.message).toContain('"seven"');
  });

  it("of a removed cgroup are reported as missing, and no file is created", () => {
    const gone = `${mount}/exec2-gone-${process.pid}.scope`;
    const [outcome] = applyCgroupWrites(gone, [{ file: "memory.max", value: "1", why: "test" }]);
    expect(outcome).toMatchObject({ applied: false });
    expect(existsSync(gone)).toBe(false);
  });
});

describe("the kernel's figures", () => {
  it("include OOM kills if there is a memory controller", () => {
    const folder = temporaryFolder();
    expect(readOomKills(folder)).toBeUndefined();
    writeFileSync(`${folder}/memory.events`, "low 0\nhigh 3\nmax 17\noom 2\noom_kill 5\noom_group_kill 1\n");
    expect(readOomKills(folder)).toBe(5);
  });

  it("include the controllers of the root cgroup", () => {
    const text = readFileSync(`${mount}/cgroup.controllers`, "utf8").trim();
    expect(readControllers(mount, "cgroup.controllers").join(" ")).toBe(text);
    expect(readControllers(temporaryFolder(), "cgroup.controllers")).toEqual([]);
  });
});
