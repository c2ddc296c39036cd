import { readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { beforeAll, describe, expect, type TestContext, test } from "vitest";
import { type Agent, pidOf, startAgent, startTask } from "../../support/agent/agent.ts";
import { type AllocationOptions, type Command, makeAllocation } from "../../support/agent/allocation.ts";
import { procStatus } from "../../support/host/processes.ts";
import { skipLoudly } from "../../support/host/requireTools.ts";
import { preparedBy } from "../../support/plugin/startPlugin.ts";

/** An agent with process attributes that its tasks must not inherit. */
const careless = preparedBy(`
  exec 9</etc/shadow
  trap '' HUP INT QUIT TERM USR1 USR2 PIPE CHLD
  umask 077
  echo 500 > /proc/self/oom_score_adj`);

describe.each([
  ["an ordinary agent", {}],
  ["an agent that leaves its own state to its children", careless],
])("the process of a task of %s", (_what, options) => {
  let agent: Agent;
  beforeAll(async () => {
    agent = await startAgent(options);
  });

  test("has its user's ids and no further rights", async () => {
    const { allocation, status } = await sleeping();
    const { uid } = allocation.user;
    expect(status).toMatchObject({
      Uid: Array(4).fill(uid).join(" "),
      Gid: Array(4).fill(uid).join(" "),
      Groups: "",
      NoNewPrivs: "1",
      ...Object.fromEntries(["CapInh", "CapPrm", "CapEff", "CapAmb"].map((set) => [set, "0000000000000000"])),
    });
  });

  test("has the primary group of a user of the host, and none of its other groups", async () => {
    const user = { name: "nobody", uid: 65534, gid: 65534 };
    const { status } = await sleeping({ command: "sleep", args: ["1000"] }, { user });
    expect(status).toMatchObject({
      Uid: "65534 65534 65534 65534",
      Gid: "65534 65534 65534 65534",
      Groups: "",
    });
  });

  test("has three descriptors", async () => {
    const { allocation, pid } = await sleeping();
    const descriptors = readdirSync(`/proc/${pid}/fd`).sort();
    expect(descriptors.map((fd) => [fd, readlinkSync(`/proc/${pid}/fd/${fd}`)])).toEqual([
      ["0", "/dev/null"],
      ["1", allocation.stdout.path],
      ["2", allocation.stderr.path],
    ]);
  });

  test("blocks, ignores and handles no signal", async () => {
    const { status } = await sleeping();
    const none = "0000000000000000";
    expect(status).toMatchObject({ SigPnd: none, SigBlk: none, SigIgn: none, SigCgt: none });
  });

  test("has a usual umask", async () => {
    expect((await sleeping()).status).toMatchObject({ Umask: "0022" });
  });

  test("has pid 2 in its namespace, and leads its own session and group", async () => {
    const { pid, status } = await sleeping();
    const both = `${pid} 2`;
    expect(status).toMatchObject({ NSpid: both, NSsid: both, NSpgid: both, NStgid: both });
  });

  test("shares only some namespaces with the host", async () => {
    const { pid } = await sleeping();
    const shared = readdirSync("/proc/self/ns").filter(
      (name) => readlinkSync(`/proc/${pid}/ns/${name}`) === readlinkSync(`/proc/self/ns/${name}`),
    );
    expect(shared.filter((name) => ["pid", "mnt", "ipc"].includes(name))).toEqual([]);
    expect(shared).toContain("net");
  });

  test("is in its cgroup, with its init", async () => {
    const { allocation, pid, status } = await sleeping();
    const folder = allocation.cgroup.path.slice(allocation.cgroup.path.lastIndexOf("/"));
    for (const each of [pid, status.PPid]) {
      expect(readFileSync(`/proc/${each}/cgroup`, "utf8")).toContain(`0::${folder}\n`);
    }
  });

  test("has the job's command and arguments in its command line", async () => {
    const { pid } = await sleeping({ command: "sleep", args: ["1000", "0", "0.0"] });
    expect(readFileSync(`/proc/${pid}/cmdline`, "utf8")).toBe("sleep\x001000\x000\x000.0\0");
    expect(readlinkSync(`/proc/${pid}/exe`)).toMatch(/\/sleep$|\/coreutils$/);
  });

  test.each([
    [undefined, 0],
    [0, 0],
    [300, 300],
  ])("with oom_score_adj %o has %i", async (score, expected) => {
    const { pid } = await sleeping({ command: "sleep", args: ["1000"], oom_score_adj: score });
    expect(Number(readFileSync(`/proc/${pid}/oom_score_adj`, "utf8"))).toBe(expected);
  });

  async function sleeping(
    command: Command = { command: "sleep", args: ["1000"] },
    allocationOptions: AllocationOptions = {},
  ) {
    const allocation = makeAllocation(allocationOptions);
    const config = allocation.config(command);
    await startTask(agent, config);
    const pid = await pidOf(agent, config);
    return { allocation, pid, status: procStatus(pid) };
  }
});

test("a task of an agent that is exempt from the OOM killer is not exempt", async (context) => {
  requireProtection(context);
  const agent = await startAgent(preparedBy("echo -1000 > /proc/self/oom_score_adj"));
  const config = makeAllocation().config({ command: "sleep", args: ["1000"] });
  await startTask(agent, config);
  const pid = await pidOf(agent, config);
  expect(readFileSync(`/proc/${pid}/oom_score_adj`, "utf8")).toBe("0\n");
  expect(readFileSync(`/proc/${agent.pid}/oom_score_adj`, "utf8")).toBe("-1000\n");
});

/**
 * Skips the test in a container without CAP_SYS_RESOURCE, where no agent can be protected from the OOM
 * killer.
 */
function requireProtection(context: TestContext): void {
  const path = "/proc/self/oom_score_adj";
  const own = readFileSync(path, "utf8");
  try {
    writeFileSync(path, "-1000");
    writeFileSync(path, own);
  } catch {
    skipLoudly(context, "CAP_SYS_RESOURCE");
  }
}
