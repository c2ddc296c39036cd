/** Tasks with a subtree of cgroups of their own. The virtual machine has the cases that need controllers. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { describe, expect, test } from "vitest";
import { delegatedBounds } from "../../../src/effects/cgroup/delegatedCgroups.ts";
import {
  pidOf,
  readyTask,
  startAgent,
  startedTask,
  startTask,
  waitTask,
  withoutOptions,
} from "../../support/agent/agent.ts";
import { makeAllocation } from "../../support/agent/allocation.ts";
import { collect } from "../../support/agent/collectedStream.ts";
import { execScript } from "../../support/agent/execCall.ts";
import { eventsOf } from "../../support/history/eventLog.ts";
import { eventually } from "../../support/host/eventually.ts";

const root = { name: "root", uid: 0, gid: 0 };
const allowed = { allow_cgroup_delegate: true };

/** A script as a task with cgroups of its own. */
const delegated = (script: string) => ({ command: "sh", args: ["-c", script], cgroup_delegate: true });

/** A program of Perl, whose calls show their errors. */
const perl = (program: string) => ({ command: "perl", args: ["-e", program], cgroup_delegate: true });

/** The cgroup of a process, below the mount. */
function cgroupOf(pid: number): string {
  return /^0::(.*)$/m.exec(readFileSync(`/proc/${pid}/cgroup`, "utf8"))?.[1] ?? "";
}

describe("a task with cgroup_delegate", () => {
  test("sees a root of cgroups, divides it, and starts programs in its parts", async () => {
    const agent = await startAgent({ options: { ...allowed, unveil_by_task: true } });
    const script = `where() { sed -n '/^0::/p' /proc/self/cgroup; }; where; cd /sys/fs/cgroup; ls -d */ 2>&1; mkdir -p web/worker main
      echo $$ > main/cgroup.procs; where; (echo 0 > web/worker/cgroup.procs; where)
      rmdir web/worker; ls -d */`;
    const { allocation, config } = await startedTask(agent, { ...delegated(script), unveil: ["r:/proc"] });
    expect(await waitTask(agent, config)).toMatchObject({ exitCode: 0 });
    expect((await allocation.stdout.text()).split("\n")).toEqual([
      ...["0::/", "ls: cannot access '*/': No such file or directory"],
      ...["0::/main", "0::/web/worker", "main/", "web/", ""],
    ]);
    expect(allocation.cgroup.below()).toEqual([]);
    allocation.cgroup.removeAsAgent();
    const { data } =
      (await eventsOf(agent.stateDir, config.id)).find(({ type }) => type === "sandboxed") ?? {};
    expect((data as { unveiled: unknown[] }).unveiled).toContainEqual({
      ...{ path: "/sys/fs/cgroup", mode: "rwc", source: "cgroup_delegate" },
    });
  });

  test.each([
    ["of its own user", undefined, {}],
    ["of root", root, { allow_root: true }],
  ])("%s neither leaves its subtree, nor changes its own bounds, nor keeps it", async (_, user, options) => {
    const agent = await startAgent({ options: { ...allowed, unveil_by_task: true, ...options } });
    const neighbour = await startedTask(agent, delegated("exec sleep 1000"));
    const program = `chdir "/sys/fs/cgroup"; mkdir "a"; $| = 1;
      sub put { my ($file, $text) = @_; my $f; open($f, ">", $file) && syswrite($f, $text) && close($f) ? "done" : "$!" }
      print "root: ", put("/proc/1/root/sys/fs/cgroup/../cgroup.procs", $$), "\\n";
      print "neighbour: ", put("a/cgroup.procs", ${await pidOf(agent, neighbour.config)}), "\\n";
      my $depth = 0; my $path = "."; while (mkdir "$path/" . ("d" x 200)) { $path .= "/" . ("d" x 200); $depth++ }
      print "depth: $depth $!\\n";
      my $made = 0; $made++ while mkdir "\\xff\\xfe $made"; print "cgroups: ", $made + $depth + 1, " $!\\n";
      print "moved: ", put("a/cgroup.procs", $$), "\\n";
      sleep 1000`;
    const allocation = makeAllocation(user && { user });
    const task = await startedTask(agent, { ...perl(program), unveil: ["r:/proc"] }, allocation);
    await task.allocation.stdout.contains("moved: ");
    // A command has its cgroup beside the task's, whose cgroups are all taken.
    const { stdout } = await execScript(
      agent,
      task.config.id,
      "cat /proc/self/cgroup; ls -d /sys/fs/cgroup/a",
    );
    expect(String(stdout)).toMatch(/\/exec2-exec-[^/]*\.scope\n\/sys\/fs\/cgroup\/a\n$/);
    await agent.driver.stopTask({ taskId: task.config.id, signal: "", timeout: { seconds: 5, nanos: 0 } });
    expect(task.allocation.cgroup.below()).toEqual([]);
    task.allocation.cgroup.removeAsAgent();
    expect((await task.allocation.stdout.text()).split("\n")).toEqual([
      expect.stringMatching(/^root: (?:Permission denied|No such file or directory)$/),
      "neighbour: No such process",
      `depth: ${delegatedBounds.depth} Resource temporarily unavailable`,
      `cgroups: ${delegatedBounds.cgroups} Resource temporarily unavailable`,
      ...["moved: done", ""],
    ]);
  });

  test("is found again by the next plugin, whole, and leaves nothing when it ends meanwhile", async () => {
    const first = await startAgent({ options: allowed });
    const sleeping =
      "mkdir /sys/fs/cgroup/a /sys/fs/cgroup/a/b; echo 0 > /sys/fs/cgroup/a/b/cgroup.procs; exec sleep 1000";
    const ended = await startedTask(first, delegated(sleeping));
    const living = await startedTask(first, delegated(sleeping));
    const pids = await Promise.all([ended, living].map(({ config }) => pidOf(first, config)));
    await eventually(() => expect(pids.map((pid) => basename(cgroupOf(pid)))).toEqual(["b", "b"]));
    await first.crash();
    process.kill(pids[0] as number, "SIGKILL");
    await eventually(() => expect(existsSync(`/proc/${pids[0]}`)).toBe(false));
    const next = await startAgent({ stateDir: first.stateDir, options: allowed });
    for (const { handle } of [ended, living]) await next.driver.recoverTask({ taskId: "", handle });
    expect(await waitTask(next, ended.config)).toMatchObject({ signal: 9 });
    expect(ended.allocation.cgroup.below()).toEqual([]);
    const stopping = { taskId: living.config.id, signal: "", timeout: { seconds: 5, nanos: 0 } };
    await next.driver.stopTask(stopping);
    expect(living.allocation.cgroup.below()).toEqual([]);
  });

  test("is removed with all its cgroups, even if nothing but the agent's handle tells of it", async () => {
    const first = await startAgent({ options: allowed });
    const { allocation, config, handle } = await startedTask(
      first,
      delegated("mkdir /sys/fs/cgroup/a; exec sleep 1000"),
    );
    await first.crash();
    const next = await startAgent({ options: allowed });
    await next.driver.recoverTask({ taskId: "", handle: withoutOptions(handle) });
    await next.driver.stopTask({ taskId: config.id, signal: "", timeout: { seconds: 5, nanos: 0 } });
    expect(allocation.cgroup.below()).toEqual([]);
  });

  test("starts beside its earlier run, which is still ending", async () => {
    const agent = await startAgent({ options: allowed });
    const { allocation, config } = await startedTask(
      agent,
      delegated("trap '' TERM; sleep 1000 & wait; wait"),
    );
    const again = await startedTask(agent, delegated("exec sleep 1000"), allocation);
    expect(readdirSync(allocation.cgroup.path).filter((name) => name.startsWith("exec2-"))).toHaveLength(4);
    await agent.driver.destroyTask({ taskId: config.id, force: true });
    expect(allocation.cgroup.below()).toHaveLength(2);
    await agent.driver.destroyTask({ taskId: again.config.id, force: true });
    expect(allocation.cgroup.below()).toEqual([]);
  });

  test("needs the operator's permission, and a pid namespace of its own", async () => {
    const refused = async (options: object, differing: object, error: RegExp) => {
      const agent = await startAgent({ options: { ...options } });
      const config = makeAllocation().config({ ...delegated("true"), ...differing });
      await expect(startTask(agent, config)).rejects.toThrow(error);
    };
    await refused({}, {}, /allow_cgroup_delegate/);
    await refused(
      { ...allowed, allow_host_pid: true },
      { pid_mode: "host" },
      /cgroup_delegate, and pid_mode/,
    );
  });

  test("has its processes in its usage, wherever they are", async () => {
    const agent = await startAgent({ options: allowed });
    const script =
      "cd /sys/fs/cgroup; for n in 1 2; do mkdir $n; (echo 0 > $n/cgroup.procs; exec sleep 1000) & done; echo up; wait";
    const { config, allocation } = await readyTask(agent, delegated(script));
    await allocation.cgroup.runs("sleep");
    const collectionInterval = { seconds: 1, nanos: 0 };
    const stats = collect(agent.driver.taskStats({ taskId: config.id, collectionInterval }));
    await eventually(() => expect(stats.messages.at(-1)?.stats?.resourceUsageByPid.size).toBe(3));
  });
});
