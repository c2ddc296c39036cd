/** What a task sees of its cgroup: `cgroup_view`. */
import { beforeAll, describe, expect, test } from "vitest";
import { findCgroup2Mount } from "../../../src/effects/cgroup/cgroup.ts";
import { type Agent, runTask, startAgent } from "../../support/agent/agent.ts";
import { makeAllocation } from "../../support/agent/allocation.ts";

const hostMount = findCgroup2Mount();
let agent: Agent;
beforeAll(async () => {
  agent = await startAgent({
    options: {
      ...{ allow_root: true, allow_host_pid: true, allow_cgroup_delegate: true },
      unveil_allowed: [`r:${hostMount}`, "r:/proc"],
    },
  });
});

async function printed(script: string, options: object = {}, user?: Parameters<typeof makeAllocation>[0]) {
  const allocation = makeAllocation(user);
  await runTask(agent, allocation.config({ command: "python3", args: ["-c", script], ...options }));
  expect(await allocation.stderr.text()).toBe("");
  return (await allocation.stdout.text()).trimEnd().split("\n");
}

const view = { cgroup_view: "own" };

/** What a runtime does to find its limits. */
const finding = `
import os
def text(path):
    try: return open(path).read()
    except OSError as error: return error.strerror
mounts = [line.split(" - ") for line in text("/proc/self/mountinfo").splitlines() if " - " in line]
print(text("/proc/self/cgroup").splitlines()[-1])
print([one.split()[3:5] for one, other in mounts if other.startswith("cgroup2 ")])
print("#subsys_name" in text("/proc/cgroups"))
print("populated 1" in text("/sys/fs/cgroup/cgroup.events"))`;

/** What is tried on the view. Prints what works. */
const attacking = `
import os
def tried(name, *args):
    try: getattr(os, name)(*args); print(name, args[0])
    except OSError: pass
root = "/sys/fs/cgroup"
folders = [name for name in os.listdir(root) if os.path.isdir(root + "/" + name)]
print(folders, os.stat(root).st_ino != 1)
tried("mkdir", root + "/own")
tried("listdir", root + "/../../fs")
tried("chown", root + "/cgroup.procs", os.getuid(), os.getgid())
for name in ["cgroup.procs", "cgroup.kill", "cgroup.max.depth", "memory.max", "memory.pressure"]:
    tried("open", root + "/" + name, os.O_WRONLY)
    tried("open", root + "/" + name, os.O_RDWR)`;

test("a task finds its own cgroup as a runtime looks for it", async () => {
  expect(await printed(finding, view)).toEqual(["0::/", "[['/', '/sys/fs/cgroup']]", "True", "True"]);
});

describe("nothing can be changed by it, and no other cgroup seen", () => {
  test.each([
    ["a dynamic user", undefined],
    ["root", { user: { name: "root", uid: 0, gid: 0 } }],
  ])("%s", async (_, user) => {
    expect(await printed(attacking, view, user)).toEqual(["[] True"]);
  });
});

describe("a task has none", () => {
  const none = [expect.stringMatching(/^(Permission denied|No such file)/), "[]", "False", "False"];
  test.each([
    ["by default", {}],
    ["in the host's pid namespace", { ...view, pid_mode: "host" }],
  ])("%s", async (_, options) => {
    expect(await printed(finding, options)).toEqual(none);
  });
});

test("a child of the main process finds it with /proc unveiled", async () => {
  const inChild = (options: object) =>
    printed(`import subprocess, sys; subprocess.run([sys.executable, "-c", ${JSON.stringify(finding)}])`, {
      ...view,
      ...options,
    });
  expect((await inChild({ unveil: ["r:/proc"] }))[0]).toBe("0::/");
  expect((await inChild({}))[0]).toBe("Permission denied");
});

test("a task that unveils the path has the host's", async () => {
  const [, mounts] = await printed(finding, { ...view, unveil: [`r:${hostMount}`] });
  expect(mounts).not.toContain("['/', '/sys/fs/cgroup']]");
});

test("a task with cgroups of its own sees these", async () => {
  const made = "import os; os.mkdir('/sys/fs/cgroup/mine'); print(os.path.isdir('/sys/fs/cgroup/mine'))";
  expect(await printed(made, { ...view, cgroup_delegate: true })).toEqual(["True"]);
});
