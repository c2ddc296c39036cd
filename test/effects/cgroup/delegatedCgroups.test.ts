import { expect, test } from "vitest";
import { parsePluginOptions } from "../../../src/driver/options/pluginOptions.ts";
import { delegatedBounds, delegatedCgroupsOf } from "../../../src/effects/cgroup/delegatedCgroups.ts";
import { parseTaskOptions } from "../../../src/effects/parts.ts";

test("the deepest path that a task can make is short enough to be removed", () => {
  const scope = `/sys/fs/cgroup/nomad.slice/share.slice/${"0".repeat(36)}.${"t".repeat(128)}.scope`;
  const { task } = delegatedCgroupsOf(scope, "/run/exec2/run/a_web_1234abcd");
  expect(task.length + delegatedBounds.depth * "/".concat("d".repeat(255)).length).toBeLessThan(4_096);
});

test("cgroup_delegate needs the operator's permission, and a pid namespace", () => {
  const settle = (plugin: object, task: object) =>
    parseTaskOptions({ command: "true", cgroup_delegate: true, ...task }, parsePluginOptions(plugin));
  const allowed = { allow_cgroup_delegate: true, allow_host_pid: true };
  expect(settle(allowed, {}).cgroupDelegate).toBe(true);
  expect(() => settle({}, {})).toThrow(/allow_cgroup_delegate/);
  expect(() => settle(allowed, { pid_mode: "host" })).toThrow(/cgroup_delegate, and pid_mode/);
});
