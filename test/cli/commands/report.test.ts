import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { inspectStateFolder } from "../../../src/cli/commands/doctor/diagnose.ts";
import { formatReport, type Report, reportOn } from "../../../src/cli/commands/doctor/report.ts";
import { styleOf } from "../../../src/cli/terminal/style.ts";
import type { HostFacts } from "../../../src/effects/host/hostFacts.ts";
import { goodHost as good } from "../../support/host/goodHost.ts";
import { offersWith } from "../../support/host/offers.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";

const state = { found: "/var/lib/x", checked: true, problem: undefined, quarantined: [] };

const verdicts = ({ checks }: Report) =>
  Object.fromEntries(checks.map(({ name, verdict }) => [name.trim(), verdict]));

describe("a doctor's report", () => {
  it("has no problem on a host that has everything", () => {
    const report = reportOn(good, state, [], offersWith({ disk: { places: ["/"] } }));
    expect(report).toMatchObject({ fit: true, problems: [] });
    expect(new Set(Object.values(verdicts(report)))).toEqual(new Set(["fit"]));
    expect(formatReport(report, styleOf(false), 80)).toMatch(
      /supports everything that the driver can use\.$/,
    );
  });

  it("without root says first that it needs root, and blames nothing else for that", () => {
    const unchecked = { ...state, checked: false };
    const report = reportOn(
      { ...good, root: false },
      unchecked,
      [],
      offersWith({ roots: undefined, denials: { problem: "it needs root" } }),
    );
    expect(report.fit).toBe(false);
    expect(report.problems).toHaveLength(1);
    expect(verdicts(report)).toMatchObject({ "state folder": "limited", "records of denials": "limited" });
    const text = formatReport(report, styleOf(false), 80);
    expect(text).toMatch(/^doctor needs root/);
    expect(text).toMatch(/Run doctor as root.*$/);
    expect(text).toMatch(/^-- {2}private roots +not checked$/m);
    expect(text).toMatch(/^-- {2}records of denials +it needs root$/m);
  });

  it("has a problem for what the driver wants by default, and shows what else a node could offer", () => {
    const offers = offersWith({
      ...{ roots: { problem: "pivot_root: EINVAL" }, denials: { problem: "audit is off" } },
      ...{ recorder: { problem: "no BTF" }, egress: { problem: "bpf: EPERM" } },
      journald: { problem: "journald takes no output" },
    });
    const report = reportOn(good, state, [], offers);
    expect(report.fit).toBe(true);
    expect(report.problems.map(({ what }) => what)).toEqual([
      "tasks cannot have a root of their own (pivot_root: EINVAL)",
    ]);
    expect(report.checks.filter(({ verdict }) => verdict === "limited")).toMatchObject([
      { name: "private roots", found: "cannot be made", serves: "hiding the host's files" },
      { name: "records of denials", found: "audit is off", serves: "telling what a task was denied" },
      { name: "black box", found: "no BTF", serves: "telling why a silent program failed" },
      { name: "egress", found: "bpf: EPERM", serves: "restricting where tasks connect" },
      {
        name: "journald",
        found: "journald takes no output: start systemd-journald",
        serves: "keeping tasks' output",
      },
    ]);
  });

  it("shows what killed runs have left, which does not prevent tasks from running", () => {
    const report = reportOn(
      good,
      state,
      ["run web.hcl (process 4711, 3 min ago) was killed and left task web"],
      offersWith(),
    );
    expect(report.fit).toBe(true);
    expect(verdicts(report)["killed runs"]).toBe("limited");
    expect(formatReport(report, styleOf(false), 80)).toMatch(/left task web.*nomad-driver-exec2 clean/s);
  });

  it.each<[Partial<HostFacts>, string]>([
    [{ root: false }, "root"],
    [{ arch: "riscv64" }, "machine"],
    [{ landlockAbi: 0 }, "Landlock"],
    [{ cgroupMount: undefined, cgroupControllers: [] }, "cgroup v2"],
    [{ namespaces: { pid: true, mount: true, ipc: false } }, "ipc namespaces"],
  ])("calls a host with %j unfit", (facts, name) => {
    const report = reportOn({ ...good, ...facts }, state, [], offersWith());
    expect(report.fit).toBe(false);
    expect(verdicts(report)[name]).toBe("unfit");
    expect(report.problems.length).toBeGreaterThan(0);
  });

  it.each<[Partial<HostFacts>, string]>([
    [{ landlockAbi: 2 }, "since ABI 3"],
    [{ cgroupControllers: ["cpu"] }, "memory"],
    [{ memfdExecution: false }, "executable memory files"],
    [{ seccomp: false }, "seccomp filters"],
    [{ mhzKnown: false }, "speed of a core"],
    [{ psi: false }, "pressure (PSI)"],
    [{ ioWeights: false }, "I/O weights"],
  ])("calls a host with %j limited", (facts, name) => {
    const report = reportOn({ ...good, ...facts }, state, [], offersWith());
    expect(report.fit).toBe(true);
    expect(verdicts(report)[name]).toBe("limited");
  });

  it("names the kernel that has what Landlock lacks", () => {
    const { checks } = reportOn({ ...good, landlockAbi: 2 }, state, [], offersWith());
    expect(checks.find(({ name }) => name === "  since ABI 3")?.found).toMatch(/: boot Linux 6\.2$/);
  });

  it("ends with what the host lacks and what that is for, as long as something is marked with --", () => {
    const offers = offersWith({
      denials: { problem: "audit is off" },
      disk: { problem: "no project quotas" },
    });
    const older = reportOn({ ...good, landlockAbi: 2 }, state, [], offers);
    const text = formatReport({ ...older, problems: [] }, styleOf(false), 80);
    const marked = text.match(/^-- .*$/gm) ?? [];
    expect(marked).toHaveLength(8);
    const end = text.slice(text.indexOf("Tasks can run on this host. It lacks")).replaceAll("\n", " ");
    expect(end).toContain(" since ABI 3 (truncate only where writing is allowed);");
    expect(end).toContain(" records of denials (telling what a task was denied);");
    expect(end).toMatch(/ disk limits \(limiting what tasks write to disks\)\.$/);
    expect(end.split(";")).toHaveLength(marked.length);
    expect(text).not.toContain("supports everything");
  });

  it("says what the cgroups of a task's own can limit", () => {
    const foundOn = (facts: Partial<HostFacts>) =>
      reportOn({ ...good, ...facts }, state, [], offersWith()).checks.find(
        ({ name }) => name.trim() === "cgroup_delegate",
      );
    expect(foundOn({})).toMatchObject({
      ...{ verdict: "fit", found: "a task's own cgroups: cpuset, cpu, io, memory, pids" },
    });
    expect(foundOn({ cgroupControllers: [] })).toMatchObject({
      ...{ verdict: "limited", found: "a task's own cgroups have no controllers to limit with" },
    });
    expect(foundOn({ cgroupMount: undefined, cgroupControllers: [] })).toBeUndefined();
  });

  it("has for each problem its name, its effect and a remedy", () => {
    const report = reportOn({ ...good, landlockAbi: 0 }, state, [], offersWith());
    const text = formatReport(report, styleOf(false), 60);
    expect(text).toMatch(/has no Landlock\n {2}so: {3}nothing .*\n(.*\n)*? {2}hint: Boot Linux/);
    expect(text).toMatch(/Tasks cannot run on this host\.$/);
    for (const line of text.split("\n")) expect(line.length).toBeLessThanOrEqual(90);
  });

  it("has a problem for a state folder that cannot be used", () => {
    const report = reportOn(good, inspectStateFolder("/dev/null/nowhere"), [], offersWith());
    expect(report.fit).toBe(false);
    expect(report.problems.at(-1)?.what).toContain("/dev/null/nowhere cannot be used");
  });
});

describe("the state folder", () => {
  it("is accepted if it exists or can be created", () => {
    const folder = temporaryFolder();
    expect(inspectStateFolder(folder)).toEqual({
      found: folder,
      checked: true,
      problem: undefined,
      quarantined: [],
    });
    expect(inspectStateFolder(join(folder, "a"))).toEqual({
      found: `${join(folder, "a")}, to be made`,
      checked: true,
      problem: undefined,
      quarantined: [],
    });
  });

  it("is refused, as by the driver, if its parent is missing, stores no files, or is open to others", () => {
    const folder = temporaryFolder();
    expect(inspectStateFolder(join(folder, "a/b")).problem).toMatchObject({
      what: expect.stringContaining("a/b cannot be used"),
      remedy: expect.stringContaining("Create its parent folder"),
    });
    mkdirSync(join(folder, "b"));
    for (const place of ["/proc/nowhere", "/sys/nowhere"])
      expect(inspectStateFolder(place).problem?.what).toContain("stores no files");
    chmodSync(folder, 0o777);
    expect(inspectStateFolder(join(folder, "b")).problem?.what).toContain("users other than its owner");
  });

  it("shows damaged event logs that were renamed", () => {
    const folder = temporaryFolder();
    const aside = join(folder, "events.damaged-2026-01-31T12-30-00Z");
    mkdirSync(aside);
    const report = reportOn(good, inspectStateFolder(folder), [], offersWith());
    expect(report.fit).toBe(true);
    expect(report.problems.map(({ what }) => what).join()).toContain(`has been renamed to ${aside}`);
  });

  it("is refused if it is a file, or open to others", () => {
    const open = temporaryFolder();
    const file = join(open, "file");
    writeFileSync(file, "");
    expect(inspectStateFolder(file).problem?.what).toContain("is not a folder");
    chmodSync(open, 0o777);
    expect(inspectStateFolder(open).problem?.what).toContain("users other than its owner");
  });
});
