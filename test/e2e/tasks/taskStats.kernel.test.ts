import { once } from "node:events";
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { beforeAll, describe, expect, test } from "vitest";
import { durationOf } from "../../../src/grpc/convert/time.ts";
import {
  CPUUsage_Fields as CpuField,
  MemoryUsage_Fields as MemoryField,
  type TaskStats,
  type TaskStatsResponse,
} from "../../../src/grpc/generated/nomad/driver.ts";
import { errorOfCall } from "../../../src/grpc/status.ts";
import {
  type Agent,
  pidOf,
  readyTask,
  startAgent,
  startedTask,
  startTask,
  waitTask,
} from "../../support/agent/agent.ts";
import { type Command, makeAllocation } from "../../support/agent/allocation.ts";
import { collect } from "../../support/agent/collectedStream.ts";
import { ExecCall } from "../../support/agent/execCall.ts";

let agent: Agent;
beforeAll(async () => {
  agent = await startAgent({ options: { allow_seccomp: ["@namespace"] } });
});

/** A process that uses processor time without pause. */
const busy: Command = { command: "perl", args: ["-e", '$| = 1; print "up\\n"; 1 while 1'] };

/** What a program that computes without a pause gets at least, in percent of a core, beside hundreds of others. */
const busyPercent = 0.5;

describe("TaskStats", () => {
  test("the first sample comes at once and covers the time since a busy task's start", async () => {
    const { config } = await readyTask(agent, busy);
    await delay(1_000);
    const { aggResourceUsage, id } = await firstSample(config.id, 3_600_000);
    expect(id).toBe(config.id);
    const { percent = 0, userMode = 0, systemMode = 0, totalTicks = 0 } = aggResourceUsage?.cpu ?? {};
    // The machine may be busy, so the task gets some share of a core, but at most one core.
    expect(percent).toBeGreaterThan(busyPercent);
    expect(percent).toBeLessThan(115);
    expect(userMode + systemMode).toBeCloseTo(percent);
    // A core has 4000 MHz in the topology that the agent sent.
    expect(totalTicks).toBeCloseTo(percent * 40);
  });

  test("continues at the requested interval, with each process of the task by its pid", async () => {
    const { config } = await readyTask(agent, busy);
    const stream = collect(statsOf(config.id, 200));
    const times = () => stream.messages.map(({ stats }) => seconds(stats?.timestamp));
    await stream.first(() => stream.messages.length >= 4);
    for (const [index, time] of times().entries()) {
      if (index > 0) expect(time - (times()[index - 1] ?? 0)).toBeGreaterThan(0.1);
    }
    const pid = String(await pidOf(agent, config));
    const last = stream.messages.at(-1)?.stats;
    expect([...(last?.resourceUsageByPid.keys() ?? [])]).toEqual([pid]);
    const own = last?.resourceUsageByPid.get(pid);
    expect(own?.cpu?.percent).toBeGreaterThan(busyPercent);
    expect(own?.memory?.rss).toBeGreaterThan(1 << 20);
    expect(own?.memory?.measuredFields).toEqual([MemoryField.RSS]);
  });

  test("includes the commands that run in the task", async () => {
    const { config, allocation } = await startedTask(agent, "exec sleep 1000");
    const call = new ExecCall(agent, config.id, ["sh", "-c", "echo up; exec sleep 1001"]);
    await call.shows("up");
    const [cgroup] = allocation.cgroup.below();
    const [command] = readFileSync(`${cgroup}/cgroup.procs`, "utf8").split("\n");
    const { resourceUsageByPid } = await firstSample(config.id, 3_600_000);
    expect([...resourceUsageByPid.keys()].toSorted()).toEqual(
      [String(await pidOf(agent, config)), command].toSorted(),
    );
    call.cancel();
  });

  test("is sampled once for all callers with the same interval, also after one of them has gone", async () => {
    const { config } = await startedTask(agent, "exec sleep 1000");
    const first = statsOf(config.id, 300);
    const ofFirst = collect(first);
    await ofFirst.first(() => ofFirst.messages.length >= 2);
    const ofSecond = collect(statsOf(config.id, 300));
    await ofSecond.first(() => true);
    expect(ofFirst.messages).toContainEqual(ofSecond.messages[0]);
    first.cancel();
    const before = ofFirst.messages.length;
    await ofSecond.first(() => ofSecond.messages.length >= 3);
    expect(ofFirst.messages.length).toBeLessThanOrEqual(before + 1);
  });

  test("names as measured only what this host measures", async () => {
    const { config } = await readyTask(agent, busy);
    const { cpu, memory } = (await firstSample(config.id)).aggResourceUsage ?? {};
    const { SYSTEM_MODE, USER_MODE, TOTAL_TICKS, PERCENT } = CpuField;
    expect(cpu?.measuredFields).toEqual(
      expect.arrayContaining([SYSTEM_MODE, USER_MODE, TOTAL_TICKS, PERCENT]),
    );
    expect(memory?.measuredFields).toContain(MemoryField.RSS);
    expect(memory?.rss).toBeGreaterThan(0);
    expect(memory?.measuredFields).not.toContain(MemoryField.KERNEL_MAX_USAGE);
  });

  test("counts processes in a child pid namespace as the task's", async () => {
    const nested = "unshare --user --pid --fork sh -c 'sleep 1000 & echo up; wait'; exit 1";
    const { config } = await readyTask(agent, {
      command: "sh",
      args: ["-c", nested],
      seccomp_allow: ["@namespace"],
    });
    const stream = collect(statsOf(config.id, 200));
    await stream.first(() => stream.messages.length >= 2);
    // The processes are the shell, unshare, the inner shell and its child.
    for (const { stats } of stream.messages) expect(stats?.resourceUsageByPid.size).toBe(4);
  });

  test("ends with its task", async () => {
    const allocation = makeAllocation();
    const config = allocation.config('read -r _ < "$NOMAD_TASK_DIR/gate"');
    const letThrough = allocation.gate();
    await startTask(agent, config);
    const stream = statsOf(config.id, 100);
    const ended = once(stream, "end");
    await once(stream, "data");
    letThrough();
    await waitTask(agent, config);
    await ended;
    const after = collect(statsOf(config.id));
    await expect.poll(() => after.ended).toBe(true);
    expect(after.messages).toEqual([]);
  });

  test("of an unknown task fails at once", async () => {
    const stream = statsOf("0b0ff9d5/main/00000000");
    const [error] = await once(stream, "error");
    expect(errorOfCall(error)).toMatchObject({ code: "TASK_NOT_FOUND" });
    expect(error.details).toBe("task not found for given id");
  });

  test("of a recovered task counts from its start", async () => {
    const first = await startAgent();
    const { config, handle } = await readyTask(first, busy);
    await first.crash();
    const second = await startAgent({ stateDir: first.stateDir });
    await second.driver.recoverTask({ taskId: "", handle });
    const { aggResourceUsage } = await firstSample(config.id, 0, second);
    expect(aggResourceUsage?.cpu?.percent).toBeGreaterThan(busyPercent);
    expect(aggResourceUsage?.cpu?.percent).toBeLessThan(115);
  });

  test("distinguishes two runs in one cgroup: at a restart the next run starts while the old one stops", async () => {
    const allocation = makeAllocation();
    const old = allocation.config({ command: "perl", args: ["-e", '$| = 1; print "old\\n"; 1 while 1'] });
    await startTask(agent, old);
    await allocation.stdout.contains("old\n");
    await delay(300);
    const next = allocation.config("echo next; exec sleep 1000");
    await startTask(agent, next);
    await allocation.stdout.contains("next\n");
    const [ofOld, ofNext] = [await firstSample(old.id), await firstSample(next.id)];
    expect([...ofOld.resourceUsageByPid.keys()]).toEqual([String(await pidOf(agent, old))]);
    expect([...ofNext.resourceUsageByPid.keys()]).toEqual([String(await pidOf(agent, next))]);
    const ofOldRun = ofOld.aggResourceUsage?.cpu?.percent;
    expect(ofOldRun).toBeGreaterThan(busyPercent);
    const stream = collect(statsOf(next.id, 100));
    await stream.first(() => stream.messages.length >= 3);
    expect(stream.messages.at(-1)?.stats?.aggResourceUsage?.cpu?.percent).toBeLessThan(ofOldRun ?? 0);
  });
});

function statsOf(taskId: string, intervalMs = 1_000, { driver }: Pick<Agent, "driver"> = agent) {
  return driver.taskStats({ taskId, collectionInterval: durationOf(intervalMs) });
}

async function firstSample(...call: Parameters<typeof statsOf>): Promise<TaskStats> {
  const { stats } = await collect(statsOf(...call)).first(
    (message: TaskStatsResponse) => message.stats !== undefined,
  );
  if (stats === undefined) throw new Error("a sample without figures");
  return stats;
}

function seconds(time: { seconds: number; nanos: number } | undefined): number {
  return time === undefined ? Number.NaN : time.seconds + time.nanos / 1e9;
}
