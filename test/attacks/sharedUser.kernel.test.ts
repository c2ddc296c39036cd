/**
 * A task with the uid of another allocation's task, or of a service of the host: whoever has the uid owns its files,
 * and uses up what the kernel counts for a user. A job names the neighbour's `nomad-<n>` itself, or a restarted agent's
 * pool lends the id again.
 */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { type SystemCall, systemCallNumber } from "../../src/effects/kernel/systemCalls.ts";
import { type Agent, pidOf, readyTask, runTask, startAgent, startTask } from "../support/agent/agent.ts";
import { type Allocation, makeAllocation } from "../support/agent/allocation.ts";
import { expectRefusal } from "../support/agent/refusal.ts";
import { skipLoudly } from "../support/host/requireTools.ts";

const waiting = "echo up; exec sleep 1000";

/** A task of another allocation that has the same user. */
function thief(victim: Allocation, script = "true") {
  const allocation = makeAllocation({ user: victim.user });
  return { allocation, config: allocation.config(script) };
}

async function expectRefused(agent: Agent, victim: Allocation): Promise<void> {
  const { allocation, config } = thief(victim);
  await expectRefusal(agent, config, {
    code: "USER_IN_USE",
    text: new RegExp(
      `user ${victim.user.name} of task ${allocation.id}/main belongs to task ${victim.id}/main`,
    ),
    recoverable: true,
  });
}

test("reads the neighbour's secrets where the client allows shared ids and unveils the neighbour's folder", async () => {
  const { allocation: victim } = await readyTask(await startAgent(), waiting);
  const secret = `${victim.taskFolder}/secrets/token`;
  writeFileSync(secret, "hunter2\n", { mode: 0o644 });
  const open = await startAgent({
    options: { shared_dynamic_ids: "warn", unveil_paths: [`r:${victim.taskFolder}/secrets`] },
  });
  const { allocation, config } = thief(victim, `cat ${secret}`);
  await runTask(open, config);
  expect(await allocation.stdout.text()).toBe("hunter2\n");
});

test("is refused while the neighbour lives, and starts once it has ended", async () => {
  const agent = await startAgent();
  const { allocation: victim, config } = await readyTask(agent, waiting);
  await expectRefused(agent, victim);
  await agent.driver.destroyTask({ taskId: config.id, force: true });
  await expect(runTask(agent, thief(victim).config)).resolves.toMatchObject({ exitCode: 0 });
});

test("is refused after a restart of agent and plugin, before the agent has asked for the neighbour, and afterwards", async () => {
  const agent = await startAgent();
  const { allocation: victim, handle } = await readyTask(agent, waiting);
  await agent.crash();
  const next = await startAgent({ stateDir: agent.stateDir });
  await expectRefused(next, victim);
  await next.driver.recoverTask({ taskId: "", handle });
  await expectRefused(next, victim);
});

test("of two starts at the same time one is refused", async () => {
  const agent = await startAgent();
  const first = makeAllocation();
  const starts = [first, makeAllocation({ user: first.user })].map((each) =>
    startTask(agent, each.config("exec sleep 1000")).then(
      () => "started",
      ({ message }: Error) => /USER_IN_USE/.exec(message)?.[0],
    ),
  );
  expect((await Promise.all(starts)).toSorted()).toEqual(["USER_IN_USE", "started"]);
});

test("tasks that share a user already are both taken over", async () => {
  const agent = await startAgent({ options: { shared_dynamic_ids: "warn" } });
  const first = await readyTask(agent, waiting);
  const second = await readyTask(agent, waiting, makeAllocation({ user: first.allocation.user }));
  await agent.crash();
  const strict = await startAgent({ stateDir: agent.stateDir });
  for (const { config, handle, pid } of [first, second]) {
    await strict.driver.recoverTask({ taskId: "", handle });
    expect(await pidOf(strict, config)).toBe(pid);
  }
});

test("the next run of a task, and another task of its allocation, get the user", async () => {
  const agent = await startAgent();
  const { allocation } = await readyTask(agent, waiting);
  await startTask(agent, allocation.config("exec sleep 1000"));
  const sibling = allocation.config("exec sleep 1000");
  await startTask(agent, { ...sibling, id: sibling.id.replace("/main/", "/other/") });
});

test("between two runs of a task another allocation may take the user, which delays the next run: a known gap", async () => {
  const agent = await startAgent();
  const victim = makeAllocation();
  const secret = `${victim.taskFolder}/secrets/token`;
  await runTask(agent, victim.config(`echo hunter2 > $NOMAD_SECRETS_DIR/token`));
  const { allocation, config } = thief(victim, `cat ${secret} || echo closed; exec sleep 1000`);
  await startTask(agent, config);
  // It has the files' owner, and no way to them.
  await allocation.stdout.contains("closed\n");
  const next = () => victim.config("cat $NOMAD_SECRETS_DIR/token");
  await expectRefusal(agent, next(), { code: "USER_IN_USE", text: /belongs to task/, recoverable: true });
  await agent.driver.destroyTask({ taskId: config.id, force: true });
  await runTask(agent, next());
  expect(await victim.stdout.text()).toBe("hunter2\n");
});

const number = (call: SystemCall) => systemCallNumber(call, process.arch === "arm64" ? "arm64" : "x64");
/** Each user may have so many timers, together with signals that wait. */
const timers = 100;
const before = `
  my $room = pack("QQ", ${timers}, ${timers}) . "\\0" x 64;
  syscall(${number("prlimit64")}, 0, 11, $room, 0) == 0 or die $!; # RLIMIT_SIGPENDING
  sub watching { syscall(${number("inotify_init1")}, 0) != -1 }
  sub timing { syscall(${number("timer_create")}, 1, 0, $room) != -1 }`;

/** Takes all timers, and all inotify instances, in as many processes as their descriptors need. */
const taking = `${before}
  1 while timing();
  while (1) {
    next if watching();
    if (open(my $file, "<", "/dev/null")) { $| = 1; print "up\\n"; sleep 1000 }
    (fork // die $!) == 0 or sleep 1000;
    syscall(${number("close_range")}, 3, 0xffffffff, 0);
  }`;

const asking = `${before}
  print watching() ? "watches" : "$!", ", ", timing() ? "times" : "$!"`;

test("takes what the kernel counts for a user from all who share the user, and nothing from others", async (context) => {
  if (Number(readFileSync("/proc/sys/fs/inotify/max_user_instances", "utf8")) > 20_000)
    skipLoudly(context, "a bound of inotify instances that a task can reach");
  const agent = await startAgent({ options: { shared_dynamic_ids: "warn" } });
  const { allocation } = await readyTask(agent, { command: "perl", args: ["-e", taking] });
  const other = makeAllocation();
  const ofTask = async (task: Allocation) => {
    await runTask(agent, task.config({ command: "perl", args: ["-e", asking] }));
    return await task.stdout.text();
  };
  const ofService = ({ user: { uid, gid } }: Allocation) =>
    spawnSync("perl", ["-e", asking], { uid, gid, cwd: "/", encoding: "utf8" }).stdout;
  const taken = "Too many open files, Resource temporarily unavailable";
  expect(ofService(allocation)).toBe(taken);
  expect(await ofTask(makeAllocation({ user: allocation.user }))).toBe(taken);
  expect(ofService(other)).toBe("watches, times");
  expect(await ofTask(other)).toBe("watches, times");
});
