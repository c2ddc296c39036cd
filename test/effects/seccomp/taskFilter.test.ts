import { constants } from "node:os";
import { describe, expect, it } from "vitest";
import { capabilityNames } from "../../../src/effects/kernel/capabilities.ts";
import { SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO } from "../../../src/effects/kernel/constants.ts";
import type { SystemCallName } from "../../../src/effects/kernel/systemCalls.ts";
import { systemCallNumber } from "../../../src/effects/kernel/systemCalls.ts";
import { defaultProfile } from "../../../src/effects/seccomp/defaultProfile.ts";
import { errnos } from "../../../src/effects/seccomp/restriction.ts";
import { auditArchitectures } from "../../../src/effects/seccomp/systemCallFilter.ts";
import {
  type FilterOptions,
  refusals,
  type SeccompProfile,
  taskFilter,
} from "../../../src/effects/seccomp/taskFilter.ts";
import { verdictOf } from "../../support/launch/filterInterpreter.ts";

const byDefault: SeccompProfile = { profile: "default", allow: [], deny: [] };

type Task = Partial<SeccompProfile> & FilterOptions;

/** `allowed`, or the name of the error that a task's call returns. */
function outcome(call: SystemCallName, args: readonly number[], task: Task = {}): string {
  const filter = taskFilter({ ...byDefault, ...task }, task);
  if (filter === undefined) return "allowed";
  const number = systemCallNumber(call, "x64");
  if (number === undefined) throw new Error(call);
  const words = Array.from({ length: 6 }, (_, index) => BigInt(args[index] ?? 0));
  const verdict = verdictOf(filter, "x64", { architecture: auditArchitectures.x64, number, args: words });
  if (verdict === SECCOMP_RET_ALLOW) return "allowed";
  return errnos.find((name) => verdict === SECCOMP_RET_ERRNO + constants.errno[name]) ?? String(verdict);
}

describe("the default profile", () => {
  it.each([
    ["clone", [0x3d0f00], "allowed"], // a thread, as C libraries make it
    ["clone", [17], "allowed"], // fork
    ["clone", [0x10000000 + 17], "EPERM"], // CLONE_NEWUSER
    ["clone3", [], "ENOSYS"],
    ["unshare", [0x400], "allowed"], // CLONE_FILES
    ["unshare", [0x10000000], "EPERM"],
    ["unshare", [0x80], "EPERM"], // CLONE_NEWTIME
    ["mount", [], "EPERM"],
    ["listmount", [], "ENOSYS"],
    ["keyctl", [], "EPERM"],
    ["io_setup", [], "ENOSYS"],
    ["io_pgetevents", [], "ENOSYS"],
    ["ptrace", [], "allowed"],
    ["chmod", [0, 0o755], "allowed"],
    ["chmod", [0, 0o1777], "allowed"],
    ["chmod", [0, 0o4755], "EPERM"],
    ["fchmodat", [0, 0, 0o2755], "EPERM"],
    ["open", [0, 0, 0o4755], "allowed"], // creates nothing
    ["open", [0, 0o101, 0o4755], "EPERM"],
    ["open", [0, 0o101, 0o644], "allowed"],
    ["openat", [0, 0, 0o20200001, 0o4755], "EPERM"], // O_TMPFILE
    ["openat2", [], "ENOSYS"],
    ["mkdir", [0, 0o4755], "allowed"], // the kernel ignores these bits
    ["personality", [0], "allowed"],
    ["personality", [0xffffffff], "allowed"],
    ["personality", [0x0100000], "EPERM"], // MMAP_PAGE_ZERO
    ["prctl", [15], "allowed"],
    ["prctl", [35], "EPERM"],
    ["ioctl", [0, 0x5413], "allowed"],
    ["ioctl", [0, 0x5412], "EPERM"],
    ["socket", [1, 1, 0], "allowed"],
    ["socket", [2, 1, 6], "allowed"],
    ["socket", [2, 1, 262], "allowed"], // MPTCP
    ["socket", [10, 2, 0], "allowed"],
    ["socket", [16, 3, 0], "allowed"],
    ["socket", [16, 3, 4], "EPROTONOSUPPORT"], // NETLINK_SOCK_DIAG
    ["socket", [16, 3, 9], "EPROTONOSUPPORT"], // NETLINK_AUDIT
    ["socket", [17, 3, 0], "EAFNOSUPPORT"],
    ["socket", [38, 5, 0], "EAFNOSUPPORT"], // AF_ALG
    ["socket", [40, 1, 0], "EAFNOSUPPORT"], // AF_VSOCK
    ["sendto", [0, 0, 0, 0x20000000], "allowed"],
    ["listen", [], "allowed"],
  ] as const)("of %s with %j: %s", (call, args, expected) => {
    expect(outcome(call, args)).toBe(expected);
  });

  it("has for each group a unique name and a reason, and refers to existing capabilities only", () => {
    for (const { name, restrictions, kernelNeeds = [], reason } of defaultProfile) {
      expect(name).toMatch(/^[a-z_]+$/);
      expect(reason).not.toBe("");
      for (const { when = [], what } of restrictions)
        expect([name, what !== undefined]).toEqual([name, when.length > 0]);
      expect(capabilityNames).toEqual(expect.arrayContaining([...kernelNeeds]));
    }
    const names = defaultProfile.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
  });

  it("refuses calls that are addressed to other processes, in the host's pid namespace only", () => {
    const addressed = [
      ["prlimit64", [4711, 0], [0, 0]],
      ["sched_setaffinity", [4711], [0]],
      ["sched_setscheduler", [4711], [0]],
      ["sched_setparam", [4711], [0]],
      ["sched_setattr", [4711], [0]],
      ["setpriority", [0, 4711], [0, 0]],
      ["setpriority", [1, 4711], [1, 0]],
      ["ioprio_set", [1, 4711], [1, 0]],
      ["ioprio_set", [2, 4711], [2, 0]],
    ] as const;
    for (const [call, other, self] of addressed) {
      expect([call, outcome(call, other, { pidMode: "host" })]).toEqual([call, "EPERM"]);
      expect([call, outcome(call, self, { pidMode: "host" })]).toEqual([call, "allowed"]);
      expect([call, outcome(call, other, { pidMode: "private" })]).toEqual([call, "allowed"]);
    }
    // With 0, these mean all processes of the caller's user.
    for (const [call, who] of [["setpriority", [2, 0]] as const, ["ioprio_set", [3, 0]] as const]) {
      expect([call, outcome(call, who, { pidMode: "host" })]).toEqual([call, "EPERM"]);
      expect([call, outcome(call, who)]).toEqual([call, "allowed"]);
    }
    const allow = ["@other_process"];
    expect(outcome("prlimit64", [4711], { pidMode: "host", allow })).toBe("allowed");
    expect(outcome("prlimit64", [4711], { pidMode: "host", profile: "unconfined" })).toBe("allowed");
    expect(outcome("prlimit64", [4711], { deny: ["@other_process"] })).toBe("EPERM");
  });
});

describe("the lists of a profile", () => {
  it("allow a call with any arguments, or the calls that one group refuses", () => {
    expect(outcome("socket", [40], { allow: ["socket"] })).toBe("allowed");
    expect(outcome("socket", [17], { allow: ["@packet"] })).toBe("allowed");
    expect(outcome("socket", [40], { allow: ["@packet"] })).toBe("EAFNOSUPPORT");
    expect(outcome("mount", [], { allow: ["@mount"] })).toBe("allowed");
    expect(outcome("umount2", [], { allow: ["mount"] })).toBe("EPERM");
  });

  it("refuse a call, or the calls of a group, whatever the profile", () => {
    expect(outcome("ptrace", [], { deny: ["ptrace"] })).toBe("EPERM");
    expect(outcome("clone3", [], { deny: ["clone3"] })).toBe("EPERM");
    expect(outcome("mount", [], { profile: "unconfined", deny: ["@mount"] })).toBe("EPERM");
    expect(outcome("socket", [2], { profile: "unconfined", deny: ["@packet"] })).toBe("allowed");
  });

  it("ignore names that this version does not know", () => {
    const unknown = { allow: ["@of_tomorrow", "newcall"], deny: ["@of_tomorrow", "newcall"] };
    expect(taskFilter({ ...byDefault, ...unknown }, {})).toEqual(taskFilter(byDefault, {}));
  });
});

describe("unconfined", () => {
  it("means no filter", () => {
    expect(taskFilter({ ...byDefault, profile: "unconfined" }, {})).toBeUndefined();
    expect(refusals({ ...byDefault, profile: "unconfined" })).toEqual(new Set());
  });
});

describe("a task whose ports are limited", () => {
  const ways = (task: Task) => [
    outcome("socket", [2, 1, 262], task),
    outcome("socket", [10, 1, 256], task),
    outcome("sendto", [0, 0, 0, 0x20004000], task),
    outcome("sendmsg", [0, 0, 0x20000000], task),
    outcome("sendmmsg", [0, 0, 0, 0x20000000], task),
    outcome("setsockopt", [0, 6, 31], task),
    outcome("listen", [], task),
    outcome("io_uring_setup", [], { allow: ["@io_uring"], ...task }),
  ];
  const [proto, fastOpen] = ["EPROTONOSUPPORT", "EOPNOTSUPP"];

  it.each([
    [{}, Array(8).fill("allowed")],
    [{ connectTcp: [] }, [proto, proto, fastOpen, fastOpen, fastOpen, "ENOENT", "allowed", "EPERM"]],
    [{ connectTcp: [443] }, [proto, proto, fastOpen, fastOpen, fastOpen, "ENOENT", "allowed", "EPERM"]],
    [{ bindTcp: [80] }, [proto, proto, "allowed", "allowed", "allowed", "ENOENT", "allowed", "EPERM"]],
    [{ bindTcp: [] }, [proto, proto, "allowed", "allowed", "allowed", "ENOENT", "EACCES", "EPERM"]],
  ])("has no other way to them: %j", (ports, expected) => {
    expect(ways(ports)).toEqual(expected);
    expect(ways({ ...ports, profile: "unconfined" })).toEqual(expected);
  });

  it("has no other way to UDP ports", () => {
    const ways = (task: Task) => [
      outcome("socket", [2, 1, 132], task),
      outcome("socket", [10, 5, 132], task),
      outcome("socket", [33, 2, 10], { allow: ["@socket"], ...task }),
    ];
    expect(ways({ connectTcp: [] })).toEqual(Array(3).fill("allowed"));
    for (const ports of [{ connectUdp: [53] }, { bindUdp: [0] }]) {
      expect(ways(ports)).toEqual([proto, proto, "EAFNOSUPPORT"]);
      expect(ways({ ...ports, profile: "unconfined" })).toEqual([proto, proto, "EAFNOSUPPORT"]);
    }
  });

  it("sends and makes sockets as others do", () => {
    const ports = { connectTcp: [], bindTcp: [], connectUdp: [], bindUdp: [] };
    expect(outcome("sendto", [0, 0, 0, 0x4000], ports)).toBe("allowed");
    for (const protocol of [0, 1, 6, 17, 58, 255])
      expect(outcome("socket", [2, 1, protocol], ports)).toBe("allowed");
    expect(outcome("socket", [16, 3, 0], ports)).toBe("allowed");
    expect(outcome("setsockopt", [0, 1, 31], ports)).toBe("allowed");
    expect(outcome("setsockopt", [0, 6, 1], ports)).toBe("allowed");
  });
});
