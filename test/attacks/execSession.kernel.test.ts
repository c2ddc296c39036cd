/** A command leaves processes that replace each other faster than they can be killed one by one. */
import { expect, test } from "vitest";
import { pidOf, startAgent, startTask } from "../support/agent/agent.ts";
import { makeAllocation } from "../support/agent/allocation.ts";
import { execScript } from "../support/agent/execCall.ts";
import { eventually } from "../support/host/eventually.ts";

const agent = await startAgent();

/** Chains of processes: each process forks the next one and exits. */
const chains = "perl -e 'fork for 1..8; while (1) { fork and exit }' &";

test("endless forks in the session of a command end with it, and delay nothing", async () => {
  const allocation = makeAllocation();
  const config = allocation.config("exec sleep 1000");
  await startTask(agent, config);
  const task = await pidOf(agent, config);
  const call = await execScript(agent, config.id, `${chains} sleep 0.5; echo done`);
  expect(`${call.stdout}`).toBe("done\n");
  expect(await call.result).toMatchObject({ exitCode: 0 });
  await eventually(() => expect(allocation.cgroup.processes()).toEqual([task]));
});
