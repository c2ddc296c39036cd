/** A command leaves processes that replace each other faster than they can be killed one by one. */
import { expect, test } from "vitest";
import { pidOf, runTask, startAgent, startTask } from "../support/agent/agent.ts";
import { makeAllocation } from "../support/agent/allocation.ts";
import { ExecCall } from "../support/agent/execCall.ts";
import { eventually } from "../support/host/eventually.ts";

const agent = await startAgent();

/** Chains of processes: each process forks the next one and exits. */
const chains = "perl -e 'fork for 1..8; while (1) { fork and exit }' &";

test("endless forks in the session of a command end with it, and meanwhile another task starts and ends", async () => {
  const allocation = makeAllocation();
  const config = allocation.config("exec sleep 1000");
  await startTask(agent, config);
  const task = await pidOf(agent, config);
  const call = new ExecCall(agent, config.id, ["sh", "-c", `${chains} echo up; read line; echo done`]);
  await call.shows("up");
  // The command goes on until its input ends.
  expect(await runTask(agent, makeAllocation().config("exit 3"))).toMatchObject({ exitCode: 3 });
  call.closeInput();
  expect(await call.result).toMatchObject({ exitCode: 0 });
  expect(`${call.stdout}`).toBe("up\ndone\n");
  await eventually(() => expect(allocation.cgroup.processes()).toEqual([task]));
});
