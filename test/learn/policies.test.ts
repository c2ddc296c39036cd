import { expect, it } from "vitest";
import { parsePluginOptions } from "../../src/driver/options/pluginOptions.ts";
import { foldersIn } from "../../src/effects/layout/layout.ts";
import { follow } from "../../src/effects/paths/followPath.ts";
import { formatUnveil } from "../../src/effects/unveil/unveil.ts";
import { policyOf } from "../../src/learn/policies.ts";
import type { HostView } from "../../src/learn/policy.ts";
import type { Task } from "../../src/localAgent/jobspec/job.ts";

/** A host without links, on which every path exists. */
const host: HostView = {
  follow: (path) => follow(path, (id) => ({ kind: "file", id })),
  linkerOf: () => undefined,
  homes: [],
};

it.each<[config: object, unveil: readonly string[]]>([
  [{}, ["r:/proc/self/mountinfo"]],
  [{ cgroup_view: "own" }, []],
  [{ cgroup_view: "own", pid_mode: "host" }, ["r:/proc/self/mountinfo"]],
])("a task's own cgroup need not be unveiled if the task has a view of it: %j", (config, unveil) => {
  const accesses = ["/proc/self/mountinfo"].map((path) => ({
    ...({ kind: "opened", path, read: true, write: false, created: false } as const),
  }));
  const instance = { folders: foldersIn("/alloc", "web"), allocation: "/alloc", mounts: [], accesses };
  const learned = policyOf({ config } as unknown as Task, [instance], parsePluginOptions({}), host);
  expect(learned.unveil.map(formatUnveil)).toEqual(unveil);
});
