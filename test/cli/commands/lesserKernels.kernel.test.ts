/**
 * Each feature of the kernel that tasks can do without is taken away: `doctor` names it, and no other, and a task runs
 * without it, or is refused with what it lacks. Each call that every task needs is taken away, too.
 */
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { neededCalls } from "../../../src/effects/kernel/neededCalls.ts";
import type { SystemCallName } from "../../../src/effects/kernel/systemCalls.ts";
import { LATEST_ABI } from "../../../src/effects/landlock/rights.ts";
import { landlockAbi } from "../../../src/effects/landlock/ruleset.ts";
import { type LesserKernel, onLesserKernel } from "../../support/host/lesserKernel.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { programEntry } from "../../support/plugin/pluginEntry.ts";
import { call, type Ended, jobFileOf } from "../../support/screen/commandLine.ts";

const hostAbi = Math.min(landlockAbi(), LATEST_ABI);

const on = (kernel: LesserKernel, ...args: readonly string[]): Promise<Ended> =>
  call(args, { program: [...onLesserKernel(kernel), process.execPath, programEntry] });

const without = (...calls: readonly SystemCallName[]): LesserKernel => ({
  restrictions: [{ calls, errno: "ENOSYS" }],
});

interface Report {
  readonly fit: boolean;
  readonly checks: readonly { readonly name: string; readonly verdict: string }[];
  readonly facts: { readonly missingCalls: readonly string[] };
}

type Verdicts = Readonly<Record<string, string>>;

async function diagnosed(
  kernel: LesserKernel,
): Promise<{ readonly code: number | null; readonly report: Report; readonly verdicts: Verdicts }> {
  const { code, stdout } = await on(kernel, "doctor", "--json", "--state-dir", temporaryFolder());
  const report = JSON.parse(stdout) as Report;
  const verdicts = Object.fromEntries(report.checks.map(({ name, verdict }) => [name.trim(), verdict]));
  // What other tests on this host leave behind meanwhile.
  delete verdicts["killed runs"];
  return { code, report, verdicts };
}

/** Runs a task. @param config further lines of its `config` */
async function ran(kernel: LesserKernel, script: string, config = ""): Promise<Ended> {
  const job = jobFileOf(`job "j" {
  type = "batch"
  group "g" {
    task "t" {
      driver = "exec2"
      config {
        command = "sh"
        args    = ["-c", ${JSON.stringify(script)}]
        ${config}
      }
    }
  }
}
`);
  return on(kernel, "run", "--state-dir", join(temporaryFolder(), "state"), job);
}

const withoutAudit: LesserKernel = {
  restrictions: [
    {
      calls: ["socket"],
      // AF_NETLINK, NETLINK_AUDIT
      when: [
        { argument: 0, isOneOf: [16] },
        { argument: 2, isOneOf: [9] },
      ],
      errno: "EPROTONOSUPPORT",
    },
  ],
};

describe("doctor", () => {
  it.for<[string, LesserKernel, Verdicts]>([
    ["pivot_root", without("pivot_root"), { "private roots": "limited" }],
    ["bpf", without("bpf"), { egress: "limited", "black box": "limited", "observing tasks": "limited" }],
    ["audit", withoutAudit, { "records of denials": "limited" }],
    ["seccomp filters", { empty: ["/proc/sys/kernel/seccomp"] }, { "seccomp filters": "limited" }],
    ["PSI", { empty: ["/proc/pressure"] }, { "pressure (PSI)": "limited" }],
    ["keyrings", without("keyctl"), {}],
  ])("says what is lost without %s", async ([_, kernel, lost]) => {
    const whole = await diagnosed({});
    const { code, verdicts } = await diagnosed(kernel);
    expect(verdicts).toEqual({ ...whole.verdicts, ...lost });
    expect(code).toBe(0);
  });

  it("says that no task can start without Landlock", async () => {
    const { code, report, verdicts } = await diagnosed(without("landlock_create_ruleset"));
    expect(verdicts).toMatchObject({ Landlock: "unfit", "since ABI 1": "limited" });
    expect([code, report.fit]).toEqual([1, false]);
  });

  it.for([1, 3, 5].filter((abi) => abi < hostAbi))(
    "says what ABI %i of Landlock lacks",
    async (landlockAbi) => {
      const whole = await diagnosed({});
      const later = Object.keys(whole.verdicts).filter(
        (name) => Number(/ABI (\d+)/.exec(name)?.[1]) > landlockAbi,
      );
      const lost = Object.fromEntries([...later, "records of denials"].map((name) => [name, "limited"]));
      expect(later).not.toEqual([]);
      expect((await diagnosed({ landlockAbi })).verdicts).toEqual({ ...whole.verdicts, ...lost });
    },
  );

  it.for(Object.keys(neededCalls) as SystemCallName[])(
    "says that no task can start without %s",
    async (name) => {
      const { code, report, verdicts } = await diagnosed(without(name));
      expect(verdicts).toMatchObject({ "system calls": "unfit" });
      expect([code, report.fit, report.facts.missingCalls]).toEqual([1, false, [name]]);
    },
  );
});

describe("a task", () => {
  it("without private roots sees the host's names, and opens as little as before", async () => {
    const script = "ls -d /boot /root; cat /root/.profile";
    const whole = await ran({}, script);
    expect(whole.stdout).toBe("");
    expect(whole.stderr).toMatch(/\/root\/\.profile'?: No such file/);
    const seen = await ran(without("pivot_root"), script);
    expect(seen.stdout).toBe("/boot\n/root\n");
    expect(seen.stderr).toMatch(/\/root\/\.profile'?: Permission denied/);
  });

  it("without seccomp filters runs without one", async () => {
    // PR_GET_SECCOMP is 21.
    const script = "python3 -c 'import ctypes; print(ctypes.CDLL(None).prctl(21))'";
    expect((await ran({}, script)).stdout).toBe("2\n");
    expect((await ran({ empty: ["/proc/sys/kernel/seccomp"] }, script)).stdout).toBe("0\n");
  });

  it("without bpf runs, unless it limits where it connects", async () => {
    expect(await ran(without("bpf"), "echo ran")).toMatchObject({ code: 0, stdout: "ran\n" });
    const { code, stdout, stderr } = await ran(without("bpf"), "echo ran", 'egress = ["192.0.2.1"]');
    expect(stderr).toContain("EGRESS_UNAVAILABLE");
    expect(stdout).toBe("");
    expect(code).not.toBe(0);
  });

  it.for<[string, LesserKernel]>([
    ["keyrings", without("keyctl")],
    ["audit", withoutAudit],
    ["PSI", { empty: ["/proc/pressure"] }],
  ])("without %s runs", async ([_, kernel]) => {
    expect(await ran(kernel, "echo ran")).toMatchObject({ code: 0, stdout: "ran\n" });
  });

  it.for([1, 3].filter((abi) => abi < hostAbi))(
    "with ABI %i of Landlock runs, but not with limits on ports",
    async (abi) => {
      const kernel = { landlockAbi: abi };
      expect(await ran(kernel, "echo ran")).toMatchObject({ code: 0, stdout: "ran\n" });
      const { code, stdout, stderr } = await ran(kernel, "echo ran", "connect_tcp = [80]");
      expect(stderr).toMatch(new RegExp(`LANDLOCK_UNAVAILABLE.*ABI ${abi}.*Linux 6\\.7`, "s"));
      expect(stdout).toBe("");
      expect(code).not.toBe(0);
    },
  );

  it("without Landlock is refused, with a hint", async () => {
    const { code, stdout, stderr } = await ran(without("landlock_create_ruleset"), "echo ran");
    expect(stderr).toMatch(/LANDLOCK_UNAVAILABLE.*^hint: .*landlock in the kernel's lsm= list/ms);
    expect(stdout).toBe("");
    expect(code).not.toBe(0);
  });
});
