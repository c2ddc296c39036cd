import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { pidOf, runTask, waitTask } from "../../support/agent/agent.ts";
import { makeAllocation } from "../../support/agent/allocation.ts";
import { until } from "../../support/host/until.ts";
import { cgroupCount, cgroupFile } from "../support/cgroupFiles.ts";
import { cgroupMount, diskFolder, shareSlice } from "../support/prepareGuest.ts";
import { describe, onTestFinished, test } from "../support/runner.ts";
import { type Limits, resourcesOf, startVmTask } from "../support/runningTask.ts";
import { eventData, mhzPerCore, sharedAgent, type VmAgent } from "../support/vmAgent.ts";

const killed = { exitCode: 137, signal: 9, oomKilled: true };
const wellEnded = { exitCode: 0, signal: 0, oomKilled: false };

async function exitMessage({ driver }: VmAgent, { id }: { readonly id: string }): Promise<string> {
  return (await driver.waitTask({ taskId: id })).err;
}

describe("memory", () => {
  test("a task over its limit is killed, and result, message and event say why", async () => {
    const { agent, config } = await startVmTask({ command: using(64), limits: { memoryMb: 32 } });
    assert.deepEqual(await waitTask(agent, config), killed);
    assert.match(
      await exitMessage(agent, config),
      /^killed by the kernel: 32 MiB memory limit was full; raise/,
    );
    const received = agent.messages.filter(({ taskId }) => taskId === config.id);
    const message = received.find(({ annotations }) => annotations.get("oom_killed") === "true");
    assert.equal(message?.message, "Killed by the kernel: out of memory (limit 32 MiB, peak 32 MiB)");
    assert.partialDeepStrictEqual(await eventData(agent, config.id, "exited"), {
      ...killed,
      oom: { kills: 1, limitBytes: 32 << 20 },
      source: "status",
    });
    // There is only one message for the kill.
    assert.equal(received.filter(({ annotations }) => annotations.has("oom_kills")).length, 1);
  });

  test("a task that runs into a limit above its own is not told that its own was full", async () => {
    const slice = `${shareSlice}/small.slice`;
    mkdirSync(`${cgroupMount}/${slice}`);
    onTestFinished(() => rmdirSync(`${cgroupMount}/${slice}`));
    writeFileSync(`${cgroupMount}/${slice}/cgroup.subtree_control`, "+memory");
    writeFileSync(`${cgroupMount}/${slice}/memory.max`, String(48 << 20));
    const { agent, config } = await startVmTask({ command: using(96), limits: { memoryMb: 256 }, slice });
    assert.deepEqual(await waitTask(agent, config), killed);
    assert.match(
      await exitMessage(agent, config),
      /^killed by the kernel: the host, or a cgroup above the task's, ran out of memory; the task's own limit was not full/,
    );
  });

  test("a runtime sizes itself by its own limits, if it has a view of its cgroup", async () => {
    const sizes = "console.log(process.constrainedMemory() / 2 ** 20, os.availableParallelism())";
    const node = { command: process.execPath, args: ["-e", sizes], unveil: [`rx:${process.execPath}`] };
    const limits = { memoryMb: 200, cpuMhz: mhzPerCore };
    const { agent, allocation, config } = await startVmTask({
      command: { ...node, cgroup_view: "own" },
      limits,
    });
    assert.deepEqual(await waitTask(agent, config), wellEnded);
    assert.equal(await allocation.stdout.text(), "200 1\n");
  });

  test("a task within its limit is left alone", async () => {
    assert.deepEqual(await resultOf(32, { memoryMb: 64 }), wellEnded);
  });

  test("a child over the limit is killed, and the task goes on", async () => {
    const script = "dd if=/dev/zero of=/dev/null bs=64M count=1; echo $?; exit 7";
    const { agent, allocation, config } = await startVmTask({ command: script, limits: { memoryMb: 32 } });
    assert.partialDeepStrictEqual(await waitTask(agent, config), { exitCode: 7, signal: 0 });
    assert.equal(await allocation.stdout.text(), "137\n");
  });

  test("a task that goes on after a child was killed gets an event for that, and has its own exit code", async () => {
    const script =
      'dd if=/dev/zero of=/dev/null bs=64M count=1; echo killed; until [ -r "$NOMAD_TASK_DIR/gate" ]; do sleep 0.1; done; read -r _ < "$NOMAD_TASK_DIR/gate"; exit 0';
    const { agent, allocation, config } = await startVmTask({ command: script, limits: { memoryMb: 32 } });
    const goOn = allocation.gate();
    await allocation.stdout.contains("killed\n");
    const received = () => agent.messages.filter(({ taskId }) => taskId === config.id);
    const isOom = ({ annotations }: { annotations: Map<string, string> }) => annotations.has("oom_kills");
    await until(() => received().some(isOom), "the kill is reported");
    assert.match(
      received().find(isOom)?.message ?? "",
      /^Out of memory: the kernel has killed a process of the task; the task keeps running \(limit 32 MiB, peak \d+ MiB\)$/,
    );
    goOn();
    assert.deepEqual(await waitTask(agent, config), wellEnded);
    assert.equal(received().filter(isOom).length, 1);
  });

  test("a task with 16 MiB starts", async () => {
    assert.deepEqual(await resultOf(1, { memoryMb: 16 }), wellEnded);
  });

  test("memory_max limits a task's memory", async () => {
    const limits = { memoryMb: 16, memoryMaxMb: 64 };
    assert.deepEqual(await resultOf(32, limits), wellEnded);
    assert.deepEqual(await resultOf(96, limits), killed);
  });

  test("memory_max = -1 lifts the limit that an earlier run left", async () => {
    const agent = await sharedAgent();
    const allocation = makeAllocation({ slice: shareSlice });
    writeFileSync(`${allocation.cgroup.path}/memory.max`, String(32 << 20));
    const resources = resourcesOf(allocation, { memoryMb: 16, memoryMaxMb: -1 });
    assert.deepEqual(await runTask(agent, allocation.config(using(96), { resources })), wellEnded);
    assert.equal(cgroupFile(allocation.cgroup.path, "memory.max"), "max");
  });

  test("with memory_max, a task keeps its memory while a neighbour is greedy", async () => {
    const file = `${diskFolder}/kept`;
    writeFileSync(file, Buffer.alloc(32 << 20, "x"));
    // A cgroup's memory protection works only if the cgroups above it also have one.
    const slices = [`${cgroupMount}/nomad.slice`, `${cgroupMount}/${shareSlice}`];
    for (const slice of slices) set(slice, "memory.low", "max", "0");
    dropCaches();
    // Files of earlier cases in tmpfs are still charged there, and nothing can reclaim them.
    const left = Number(cgroupFile(`${cgroupMount}/${shareSlice}`, "memory.current"));
    set(`${cgroupMount}/${shareSlice}`, "memory.max", String(left + (96 << 20)), "max");

    const { cgroup, allocation } = await startVmTask({
      command: {
        command: "sh",
        args: ["-c", `cat ${file} > /dev/null; echo read; exec sleep 1000`],
        unveil: [`r:${file}`],
      },
      limits: { memoryMb: 48, memoryMaxMb: 64 },
    });
    await allocation.stdout.contains("read\n");
    const shown = () =>
      [cgroup, `${cgroupMount}/${shareSlice}`].map((each) => cgroupFile(each, "memory.stat"));
    assert.ok(cgroupCount(cgroup, "memory.stat", "file") > 30 << 20, shown().join("\n\n"));
    readDiskIn(makeAllocation({ slice: shareSlice }).cgroup.path);
    assert.ok(cgroupCount(cgroup, "memory.stat", "file") > 30 << 20, shown().join("\n\n"));
  });

  test("a task of an agent that is exempt from the OOM killer is not exempt", async () => {
    const { pid } = await sharedAgent();
    writeFileSync(`/proc/${pid}/oom_score_adj`, "-1000");
    onTestFinished(() => writeFileSync(`/proc/${pid}/oom_score_adj`, "0"));
    const { agent, config } = await startVmTask({ command: "exec sleep 1000" });
    assert.equal(readFileSync(`/proc/${await pidOf(agent, config)}/oom_score_adj`, "utf8"), "0\n");
  });

  test("swapped-out memory counts against the limit, except for what swap_limit allows", async () => {
    const swap = `${diskFolder}/swap`;
    execFileSync("dd", ["if=/dev/zero", `of=${swap}`, "bs=1M", "count=96"], { stdio: "ignore" });
    execFileSync("chmod", ["600", swap]);
    execFileSync("mkswap", [swap], { stdio: "ignore" });
    execFileSync("swapon", [swap]);
    onTestFinished(() => execFileSync("swapoff", [swap]));
    for (const [swapLimit, result] of [
      [0, killed],
      [8, killed],
      [undefined, wellEnded],
    ] as const) {
      const command = { ...holding(64), swap_limit: swapLimit };
      const { agent, config } = await startVmTask({ command, limits: { memoryMb: 32 } });
      const { exitCode } = await waitTask(agent, config);
      assert.equal(exitCode, result.exitCode, `with swap_limit = ${swapLimit}`);
    }
  });

  test("memory of a task's own node is all that it gets with numa_memory, and the first that it gets without", async () => {
    // More than the second node has, so that the rest comes from the first one, unless it must not.
    const all = secondNode().total + (128 << 20);
    const fill = `my $n = ${all}; my $x = "x" x $n; print "up\\n"; sleep 1000`;
    const some = 'my $n = 8 << 20; my $x = "x" x $n; $SIG{USR1} = sub {}; print "some\\n"; sleep 1000;';
    const onSecondCore = (program: string, numa_memory?: "local") => ({
      command: { command: "perl", args: ["-e", `$| = 1; ${program}`], ...(numa_memory && { numa_memory }) },
      limits: { cores: "1", memoryMb: 2 * (all >> 20) },
    });
    // Caches of earlier cases may have filled the second node.
    dropCaches();
    const anywhere = await startVmTask(onSecondCore(fill));
    await anywhere.allocation.stdout.contains("up\n");
    const [first = 0] = anonymousOnNodes(anywhere.cgroup);
    assert.ok(first > 64 << 20, `${first} bytes`);
    await anywhere.agent.driver.destroyTask({ taskId: anywhere.config.id, force: true });

    dropCaches();
    const local = await startVmTask(onSecondCore(`${some} ${fill}`, "local"));
    assert.equal(cgroupFile(local.cgroup, "cpuset.mems"), "1");
    const before = secondNode();
    await local.allocation.stdout.contains("some\n").catch(async (thrown: Error) => {
      const result = await waitTask(local.agent, local.config);
      const kernel = execFileSync("dmesg").toString().split("\n").slice(-60).join("\n");
      assert.fail(`${thrown.message}; ${JSON.stringify({ result, before, now: secondNode() })}\n${kernel}`);
    });
    const [none = 0, own = 0] = anonymousOnNodes(local.cgroup);
    assert.ok(none < 4 << 20 && own > 8 << 20, `${none} and ${own} bytes`);
    await local.agent.driver.signalTask({ taskId: local.config.id, signal: "SIGUSR1" });
    // The kernel kills the task that fills the node, not a larger process of the host.
    const { exitCode } = await waitTask(local.agent, local.config);
    assert.equal(exitCode, 137);
  });
});

/** A program whose main process uses this much memory, in MiB. */
function using(mebibytes: number) {
  return { command: "dd", args: ["if=/dev/zero", "of=/dev/null", `bs=${mebibytes}M`, "count=1"] };
}

/**
 * Like `using`, but the memory is not zero. Under pressure the kernel discards pages of zeros instead of
 * swapping them out.
 */
function holding(mebibytes: number) {
  return { command: "perl", args: ["-e", `my $n = ${mebibytes} << 20; my $x = "x" x $n`] };
}

/** Bytes that processes of the cgroup have on each NUMA node. */
function anonymousOnNodes(cgroup: string): number[] {
  const [, nodes = ""] = /^anon (.*)$/m.exec(cgroupFile(cgroup, "memory.numa_stat")) ?? [];
  return nodes.split(" ").map((node) => Number(node.replace(/^N\d+=/, "")));
}

/** Bytes of the machine's second NUMA node. */
function secondNode(): { readonly total: number; readonly free: number } {
  const lines = readFileSync("/sys/devices/system/node/node1/meminfo", "utf8");
  const bytes = (name: string) => Number(new RegExp(` ${name}: +(\\d+) kB`).exec(lines)?.[1]) * 1024;
  return { total: bytes("MemTotal"), free: bytes("MemFree") };
}

async function resultOf(mebibytes: number, limits: Limits) {
  const { agent, config } = await startVmTask({ command: using(mebibytes), limits });
  return waitTask(agent, config);
}

function set(cgroup: string, file: string, value: string, afterwards: string): void {
  writeFileSync(`${cgroup}/${file}`, value);
  onTestFinished(() => writeFileSync(`${cgroup}/${file}`, afterwards));
}

/** Reads more of the disk, in a cgroup, than fits into the cgroup's memory. */
function readDiskIn(cgroup: string): void {
  const script = `echo $$ > ${cgroup}/cgroup.procs; exec dd if=/dev/vda of=/dev/null bs=1M`;
  execFileSync("sh", ["-c", script], { stdio: "ignore" });
}

/** Drops cached pages, because they belong to the cgroup that first read them. */
function dropCaches(): void {
  execFileSync("sync");
  writeFileSync("/proc/sys/vm/drop_caches", "3");
}
