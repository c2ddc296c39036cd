import { describe, expect, it } from "vitest";
import { parsePluginOptions } from "../../../src/driver/options/pluginOptions.ts";
import type { HostFacts } from "../../../src/effects/host/hostFacts.ts";
import { type Finding, fingerprintAttributes, judgeHost } from "../../../src/effects/host/hostHealth.ts";
import { goodHost } from "../../support/host/goodHost.ts";
import { offersWith } from "../../support/host/offers.ts";

const good: HostFacts = { ...goodHost, landlockAbi: 6, mhzPerCore: 2500 };

const defaults = parsePluginOptions({});

describe("the health", () => {
  it("of a host that has everything is healthy", () => {
    expect(judgeHost(good, defaults)).toEqual({ health: "healthy", description: "Healthy", problems: [] });
  });

  it("mentions every damaged event log, and stays healthy", () => {
    const { health, description, problems } = judgeHost(good, defaults, {
      quarantined: ["/state/events.damaged-1", "/state/events.damaged-2"],
    });
    expect(health).toBe("healthy");
    expect(description).toMatch(/^Healthy, but .*events\.damaged-1: .*events\.damaged-2: /);
    expect(problems).toHaveLength(2);
  });

  it.each([
    [["lockdown", "capability", "selinux"], "lsm=landlock,lockdown,selinux on the kernel's command line"],
    [undefined, "which /sys/kernel/security/lsm lists"],
  ])("without Landlock says how to keep the modules %j", (securityModules, remedy) => {
    const { problems } = judgeHost(
      { ...good, landlockAbi: 0, ...(securityModules && { securityModules }) },
      defaults,
    );
    expect(problems.map((each) => each.remedy)).toEqual([expect.stringContaining(remedy)]);
  });

  it.each<[string, Partial<HostFacts>, string, string]>([
    ["no root", { root: false }, "undetected", "the driver does not run as root: it cannot start tasks"],
    [
      "another machine",
      { arch: "riscv64" },
      "undetected",
      "the machine is neither x86-64 nor arm64 but riscv64",
    ],
    ["no Landlock", { landlockAbi: 0 }, "unhealthy", "the kernel (6.12.0) has no Landlock"],
    [
      "no cgroup v2",
      { cgroupMount: undefined, cgroupControllers: [] },
      "unhealthy",
      "cgroup v2 is not mounted",
    ],
    [
      "a kind of namespace missing",
      { namespaces: { pid: true, mount: true, ipc: false } },
      "unhealthy",
      "there are no ipc namespaces: tasks could not be isolated from each other",
    ],
    [
      "a hidden system call",
      { missingCalls: ["clone3"] },
      "unhealthy",
      "there are no system calls clone3: tasks cannot be started, or not be stopped",
    ],
    [
      "no controllers",
      { cgroupMount: "/sys/fs/cgroup/unified", cgroupControllers: ["hugetlb"] },
      "healthy",
      "Healthy, but /sys/fs/cgroup/unified lacks the cgroup controllers memory, cpu, cpuset, pids: " +
        "not limited for tasks: memory, CPU time, reserved cores, processes",
    ],
    [
      "one controller missing",
      { cgroupControllers: ["cpu", "cpuset", "pids"] },
      "healthy",
      "Healthy, but /sys/fs/cgroup lacks the cgroup controllers memory: not limited for tasks: memory",
    ],
    [
      "memfds without execution",
      { memfdExecution: false },
      "healthy",
      "Healthy, but programs cannot be run from memory",
    ],
    [
      "no seccomp filters",
      { seccomp: false },
      "healthy",
      "Healthy, but the kernel has no seccomp filters: tasks may make every system call",
    ],
    [
      "unknown speed",
      { mhzKnown: false, mhzPerCore: 1000 },
      "healthy",
      "Healthy, but the speed of the cores is unknown: a job's MHz are converted at 1000 MHz per core",
    ],
  ])("of a host with %s has this level and description", (_, lacking, health, description) => {
    const judgement = judgeHost({ ...good, ...lacking }, defaults);
    expect(judgement.health).toBe(health);
    expect(judgement.description).toContain(description);
    expect(judgement.problems).toHaveLength(1);
    for (const text of Object.values(judgement.problems[0] ?? {})) expect(text).not.toBe("");
  });

  it("is that of the worst problem, and the text has all problems, the worst first", () => {
    const { health, description, problems } = judgeHost(
      { ...good, memfdExecution: false, landlockAbi: 0, root: false },
      defaults,
    );
    expect(health).toBe("undetected");
    expect(description).toBe("the driver does not run as root: it cannot start tasks");
    expect(problems.map(({ what }) => what)).toEqual([
      "the driver does not run as root",
      "the kernel (6.12.0) has no Landlock",
      "programs cannot be run from memory files (vm.memfd_noexec is 2)",
    ]);
  });
});

describe("attributes", () => {
  it("have the names of the Go driver's attributes, and further names for constraints", () => {
    const options = parsePluginOptions({ unveil_by_task: true });
    expect(fingerprintAttributes(good, options, "1.2.3", offersWith())).toEqual({
      "driver.exec2": true,
      "driver.exec2.version": "1.2.3",
      "driver.exec2.unveil.defaults": true,
      "driver.exec2.unveil.tasks": true,
      "driver.exec2.root": "private",
      "driver.exec2.denials": true,
      "driver.exec2.black_box": false,
      "driver.exec2.observe": false,
      "driver.exec2.egress": true,
      "driver.exec2.journald": false,
      "driver.exec2.landlock.abi": 6,
      "driver.exec2.seccomp": true,
      "driver.exec2.io.weight": true,
      "driver.exec2.pressure": true,
      "driver.exec2.cgroup.controllers": "cpu,cpuset,io,memory,pids",
    });
  });

  it("have the disks on which limits are enforced", () => {
    const attributes = (disk: Finding) =>
      fingerprintAttributes(good, defaults, "1.2.3", offersWith({ disk }));
    expect(attributes({ places: ["/", "/srv/nomad"] })).toMatchObject({
      "driver.exec2.disk_limit": "/,/srv/nomad",
    });
    expect(attributes({ problem: "no project quotas" })).not.toHaveProperty(["driver.exec2.disk_limit"]);
  });

  it("say that tasks see the host's tree if a private root is impossible", () => {
    const offers = offersWith({ roots: { problem: "pivot_root: EINVAL" } });
    expect(fingerprintAttributes(good, defaults, "1.2.3", offers)["driver.exec2.root"]).toBe("host");
    const { health, description } = judgeHost(good, defaults, { offers });
    expect(health).toBe("healthy");
    expect(description).toMatch(
      /^Healthy, but tasks cannot have a root of their own \(pivot_root: EINVAL\): /,
    );
  });

  it("say why denials are not recorded, which is a problem if the options want them", () => {
    const offers = offersWith({ denials: { problem: "audit is off" } });
    expect(fingerprintAttributes(good, defaults, "1.2.3", offers)).toMatchObject({
      "driver.exec2.denials": false,
      "driver.exec2.denials.problem": "audit is off",
    });
    expect(judgeHost(good, defaults, { offers }).description).toBe("Healthy");
    const wanted = judgeHost(good, parsePluginOptions({ denials: "on" }), { offers });
    expect(wanted).toMatchObject({
      health: "healthy",
      description: expect.stringContaining("(audit is off)"),
    });
  });

  it("say why there is no black box, if the options want one", () => {
    const problem = "this host cannot run the programs of the black box";
    const offers = offersWith({ recorder: { problem } });
    const of = (mode: string) =>
      fingerprintAttributes(good, parsePluginOptions({ black_box: mode }), "1.2.3", offers);
    expect(of("on")).toMatchObject({
      "driver.exec2.black_box": false,
      "driver.exec2.black_box.problem": problem,
    });
    expect(of("off")).not.toHaveProperty(["driver.exec2.black_box.problem"]);
    const on = parsePluginOptions({ black_box: "on" });
    const attributes = fingerprintAttributes(good, on, "1.2.3", offersWith());
    expect(attributes["driver.exec2.black_box"]).toBe(true);
    expect(judgeHost(good, defaults, { offers }).problems).toEqual([]);
    expect(of("auto")).toEqual(of("on"));
    expect(judgeHost(good, parsePluginOptions({ black_box: "auto" }), { offers }).problems).toEqual([]);
    expect(judgeHost(good, on, { offers }).problems).toMatchObject([
      { what: expect.stringContaining(problem), remedy: expect.stringContaining('black_box = "off"') },
    ]);
  });

  it("say whether tasks' output can go to journald, and why not", () => {
    const options = parsePluginOptions({ allow_journald: true });
    const attribute = "driver.exec2.journald";
    expect(fingerprintAttributes(good, options, "1.2.3", offersWith())).toMatchObject({ [attribute]: true });
    const problem = "journald takes no output: /run/systemd/journal/stdout does not exist";
    const offers = offersWith({ journald: { problem } });
    expect(fingerprintAttributes(good, options, "1.2.3", offers)).toMatchObject({
      [attribute]: false,
      [`${attribute}.problem`]: problem,
    });
    expect(judgeHost(good, options, { offers }).health).toBe("healthy");
    const { health, problems } = judgeHost(good, parsePluginOptions({ log_collection: "journald" }), {
      offers,
    });
    expect(health).toBe("unhealthy");
    expect(problems).toMatchObject([{ what: problem }]);
  });

  it("say why the host cannot restrict where tasks connect", () => {
    const offers = offersWith({ egress: { problem: "bpf: EPERM" } });
    expect(fingerprintAttributes(good, defaults, "1.2.3", offers)).toMatchObject({
      "driver.exec2.egress": false,
      "driver.exec2.egress.problem": "bpf: EPERM",
    });
    expect(judgeHost(good, defaults, { offers }).health).toBe("healthy");
    const wanted = parsePluginOptions({ egress_denied: ["169.254.169.254"] });
    const { health, problems } = judgeHost(good, wanted, { offers });
    expect(health).toBe("unhealthy");
    expect(problems).toMatchObject([{ what: expect.stringContaining("(bpf: EPERM)") }]);
  });

  it("are empty if the driver is undetected", () => {
    expect(fingerprintAttributes({ ...good, root: false }, parsePluginOptions({}), "1.2.3")).toEqual({});
  });
});
