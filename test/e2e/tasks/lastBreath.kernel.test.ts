/** What is recorded of a task's threads right before it is killed, because it has not stopped in time. */
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { callOf } from "../../../src/effects/processes/waitingThreads.ts";
import type { EventData } from "../../../src/machines/events.ts";
import { readyTask, startAgent, waitTask } from "../../support/agent/agent.ts";
import { eventsOf } from "../../support/history/eventLog.ts";
import { call } from "../../support/screen/commandLine.ts";

const agent = await startAgent();
const soon = { seconds: 0, nanos: 20e6 };

const waitsOf = async (id: string) => {
  const events = await eventsOf(agent.stateDir, id);
  return (events.find(({ type }) => type === "forceKilled")?.data as EventData<"forceKilled"> | undefined)
    ?.waits;
};

const explained = async (id: string) => {
  const { stdout } = await call(["why", id, "--state-dir", agent.stateDir]);
  return stdout.replaceAll(/\s+/g, " ");
};

const callsOf = (pid: number) =>
  readdirSync(`/proc/${pid}/task`).map((each) =>
    callOf(readFileSync(`/proc/${pid}/task/${each}/syscall`, "utf8")),
  );

/** Two threads, each of which waits for the lock that the other has. */
const deadlock = `
import signal, threading
signal.signal(signal.SIGINT, signal.SIG_IGN)
a, b, ready = threading.Lock(), threading.Lock(), threading.Event()
def other():
    with b:
        ready.set()
        a.acquire()
a.acquire()
threading.Thread(target=other, daemon=True).start()
ready.wait()
print("up", flush=True)
b.acquire()
`;

test("a deadlock reads so", async () => {
  const { config: task, pid } = await readyTask(agent, { command: "python3", args: ["-c", deadlock] });
  await expect.poll(() => callsOf(pid)).toEqual(["futex", "futex"]);
  await agent.driver.stopTask({ taskId: task.id, timeout: soon, signal: "" });
  expect(await waitTask(agent, task)).toMatchObject({ exitCode: 137 });
  const { threads = [], more } = (await waitsOf(task.id)) ?? {};
  expect(threads.map(({ program, state, call: name }) => ({ program, state, name }))).toEqual(
    Array.from({ length: 2 }, () => ({ program: "python3", state: "S", name: "futex" })),
  );
  expect(more).toBe(0);
  expect(await explained(task.id)).toMatch(
    /so it was killed \[[\d,]+\]\. Right before, both threads waited in futex, as in a deadlock \[\d+\]\./,
  );
});

test("a shell's program is looked at, too", async () => {
  const { config } = await readyTask(agent, "trap '' INT; echo up; sleep 1000; true");
  await agent.driver.stopTask({ taskId: config.id, timeout: soon, signal: "" });
  await waitTask(agent, config);
  expect((await waitsOf(config.id))?.threads.map(({ program, call: name }) => [program, name])).toEqual([
    ["sh", "wait4"],
    ["sleep", "clock_nanosleep"],
  ]);
});

test("a task with many threads has a bounded record", async () => {
  const many = `
import signal, threading, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
for _ in range(59): threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
print("up", flush=True)
time.sleep(1000)
`;
  const { config: task } = await readyTask(agent, { command: "python3", args: ["-c", many] });
  await agent.driver.stopTask({ taskId: task.id, timeout: soon, signal: "" });
  await waitTask(agent, task);
  const { threads = [], more } = (await waitsOf(task.id)) ?? {};
  expect([threads.length, more]).toEqual([32, 28]);
});

test("a task that ends in time, and one that is removed at once, have none", async () => {
  const polite = await readyTask(agent, "trap 'exit 3' INT; echo up; sleep 1000 & wait");
  await agent.driver.stopTask({
    taskId: polite.config.id,
    timeout: { seconds: 600, nanos: 0 },
    signal: "",
  });
  await waitTask(agent, polite.config);
  const removed = await readyTask(agent, "echo up; exec sleep 1000");
  await agent.driver.destroyTask({ taskId: removed.config.id, force: true });
  for (const { config } of [polite, removed]) {
    expect(await waitsOf(config.id)).toBeUndefined();
    expect(await explained(config.id)).not.toContain("Right before");
  }
});
