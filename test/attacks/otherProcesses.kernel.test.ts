/**
 * `pid_mode = "host"` shows a task the host's processes. It must not be able to affect those of its user:
 * Landlock does not cover calls that set limits, priorities and processors of a process. And no task may get
 * processors before all others.
 */
import { beforeAll, expect, it } from "vitest";
import { errorOfCall } from "../../src/grpc/status.ts";
import { type Agent, runTask, startAgent, startTask } from "../support/agent/agent.ts";
import { makeAllocation } from "../support/agent/allocation.ts";
import { type AttackName, attackNames, attacks } from "../support/attacks/catalogue.ts";
import { makeTarget, settingsOf } from "../support/attacks/target.ts";
import { tryAttacks } from "../support/attacks/tryAttacks.ts";

const onProcesses = attackNames.filter((name) => attacks[name].boundary === "processes");

/** Calls that only the filter refuses. */
const byFilter: readonly AttackName[] = [
  "limits another process",
  "sets the priority of another process",
  "sets the priority of all processes of its user",
  "sets the processors of another process",
  "sets the scheduling of another process",
  "sets the parameters of another process's scheduling",
  "sets the attributes of another process's scheduling",
  "sets the disk priority of another process",
  "sets the disk priority of all processes of its user",
];

let agent: Agent;
beforeAll(async () => {
  agent = await startAgent({
    options: { allow_host_pid: true, allow_seccomp: ["@other_process"], unveil_by_task: true },
  });
});

async function outcomes(options: Readonly<Record<string, unknown>>) {
  const allocation = makeAllocation();
  const target = await makeTarget(allocation.user);
  const before = settingsOf(target.pid);
  const results = await tryAttacks(agent, allocation, { pid_mode: "host", ...options }, onProcesses, target);
  return {
    worked: onProcesses.filter((name) => results.get(name) === "worked"),
    changed: settingsOf(target.pid) !== before,
  };
}

/** What becomes of an attack of a task on a process of its user. */
async function outcomeOf(attack: AttackName, by: Agent, options: object): Promise<string | undefined> {
  const allocation = makeAllocation();
  const target = await makeTarget(allocation.user);
  return (await tryAttacks(by, allocation, { ...options }, [attack], target)).get(attack);
}

it("without the filter's group, a task changes limits, priorities and processors of another process", async () => {
  const { worked, changed } = await outcomes({ seccomp_allow: ["@other_process"] });
  expect(worked).toEqual(byFilter);
  expect(changed).toBe(true);
});

it("a task affects no other process", async () => {
  expect(await outcomes({ unveil: ["r:/proc"] })).toEqual({ worked: [], changed: false });
});

it("a task reads the command lines of other processes only with the host's pids and /proc unveiled", async () => {
  const outcome = (options: object) => outcomeOf("reads the command line of another process", agent, options);
  expect(await outcome({ pid_mode: "host", unveil: ["r:/proc"] })).toBe("worked");
  expect(await outcome({ pid_mode: "host" })).toBe("Permission denied");
  expect(await outcome({ unveil: ["r:/proc"] })).toBe("No such file or directory");
});

it("a task gets processors before all others only with a capability that the operator allows", async () => {
  const open = await startAgent({ options: { allow_caps: ["sys_nice"] } });
  const outcome = (options: object) => outcomeOf("takes processors before all others", open, options);
  expect(await outcome({ cap_add: ["sys_nice"] })).toBe("worked");
  expect(await outcome({})).toMatch(/Operation not permitted|Permission denied/);
  for (const ulimit of [{ rtprio: "99" }, { nice: "40" }]) {
    const allocation = makeAllocation();
    const refused = await startTask(open, allocation.config({ command: "true", ulimit: [ulimit] })).catch(
      errorOfCall,
    );
    expect(refused).toMatchObject({
      code: "CONFIG_INVALID",
      message: expect.stringContaining("allow_raised_ulimits"),
    });
  }
});

it("a task sets its own limits, priorities and processors", async () => {
  const allocation = makeAllocation();
  const script =
    "ulimit -c 0 && nice true && taskset 1 true && chrt --batch 0 true && ionice -c 3 true; echo $?";
  const config = allocation.config({ command: "bash", args: ["-c", script], pid_mode: "host" });
  await runTask(agent, config);
  expect(await allocation.stdout.text()).toBe("0\n");
});
