import { expect, test } from "vitest";
import { buildWitnessPlan } from "../../../src/effects/adoption/witnessPlan.ts";
import { describePlan } from "../../../src/effects/plan/describePlan.ts";
import { descriptors } from "../../../src/effects/plan/plan.ts";

const plan = buildWitnessPlan({
  name: "exec2-witness: a/main",
  cgroup: "/sys/fs/cgroup/x.scope",
  aliveFifo: "/run/x/alive",
  statusFile: "/run/x/status",
});
const lines = describePlan(plan);

test("a witness starts in the run's cgroup, without new namespaces", () => {
  const fork = lines.find((line) => line.includes("clone3"));
  expect(fork).toContain("flags: CLONE_INTO_CGROUP,");
});

test("a witness finds its inputs at fixed descriptor numbers, which nothing else uses", () => {
  const numbers = Object.values(plan.inherited);
  const { plan: own, report, free } = descriptors;
  expect(Object.keys(plan.inherited)).toEqual(["question", "task", "init"]);
  expect(new Set([own, report, ...numbers]).size).toBe(numbers.length + 2);
  expect(Math.max(...numbers)).toBeLessThan(free);
});

test("a witness opens its files in the order that gives them their numbers", () => {
  const opened = plan.steps.init.filter(({ call }) => call === "openat").map(({ args }) => args[1]);
  const first = descriptors.hostProc;
  expect(opened.slice(0, 3)).toEqual(["/proc", "/run/x/status", "/run/x/alive"]);
  expect([descriptors.status, descriptors.alive]).toEqual([first + 1, first + 2]);
});

test("a witness asks the kernel only after the run has ended, and records the whole answer", () => {
  const calls = plan.steps.init.map(({ call }) => call);
  expect(calls.slice(-6)).toEqual(["close", "read", "ppoll", "ioctl", "write", "exit_group"]);
  expect(lines.at(-2)).toContain("write(8, &identity, 64)");
});
