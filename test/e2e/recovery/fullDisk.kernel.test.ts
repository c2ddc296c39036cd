/** Tests a plugin whose disk fills up while tasks run. */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type Agent, startAgent, startTask, waitTask } from "../../support/agent/agent.ts";
import { makeAllocation } from "../../support/agent/allocation.ts";
import { eventsOf } from "../../support/history/eventLog.ts";
import { eventually } from "../../support/host/eventually.ts";
import { smallFileSystem } from "../../support/host/smallFileSystem.ts";
import { tracesOf } from "../../support/plugin/pluginTraces.ts";

/** A plugin with a task that the test can let end, and a function that fills the plugin's disk. */
async function setUp(end: string) {
  const disk = smallFileSystem("40m");
  const agent = await startAgent({ stateDir: join(disk, "state") });
  const allocation = makeAllocation();
  const open = allocation.gate();
  const config = allocation.config(`read -r _ < $NOMAD_TASK_DIR/gate; ${end}`);
  const handle = await startTask(agent, config);
  const filler = join(disk, "filler");
  const fill = () => {
    expect(() => writeFileSync(filler, Buffer.alloc(40 << 20))).toThrow("ENOSPC");
  };
  const typesOf = async () => (await eventsOf(agent.stateDir, config.id)).map(({ type }) => type);
  return { agent, allocation, open, config, handle, fill, free: () => rmSync(filler), typesOf };
}

/** The lines about the event log in the agent's log. */
const told = ({ stderrLines }: Agent) =>
  stderrLines.filter((line) => /events cannot be stored|takes events again/.test(line));

describe("a full disk", () => {
  test("hides no task's end, and the events are stored once there is room, without another call", async () => {
    const { agent, open, config, fill, free, typesOf } = await setUp("exit 7");
    const lived = await typesOf();
    fill();
    await agent.driver.signalTask({ taskId: config.id, signal: "SIGWINCH" });
    open();
    expect(await waitTask(agent, config)).toMatchObject({ exitCode: 7, signal: 0 });
    await agent.driver.destroyTask({ taskId: config.id, force: false });
    expect(await typesOf()).toEqual(lived);
    expect(told(agent)).toHaveLength(1);
    free();
    await eventually(async () =>
      expect(await typesOf()).toEqual([...lived, "signalled", "exited", "destroyed"]),
    );
    await eventually(() => expect(told(agent)).toHaveLength(2));
    await eventually(() => expect(tracesOf(agent).runFolders).toEqual([]));
  });

  test("refuses starts recoverably, and leaves nothing of them", async () => {
    const { agent, fill, free } = await setUp("exit 0");
    fill();
    const second = makeAllocation();
    const config = second.config("sleep 600");
    await expect(startTask(agent, config)).rejects.toThrow(/STORE_FAILED: .*full/);
    await second.cgroup.empty();
    free();
    await startTask(agent, second.config("sleep 600"));
    expect(await eventsOf(agent.stateDir, config.id)).toEqual([]);
  });

  test("together with a killed plugin loses no exit code, because init's record is kept until the exit is stored", async () => {
    const { agent, open, config, handle, fill, free, typesOf } = await setUp("exit 9");
    fill();
    open();
    expect(await waitTask(agent, config)).toMatchObject({ exitCode: 9 });
    await agent.crash();
    free();
    const next = await startAgent({ stateDir: agent.stateDir });
    await next.driver.recoverTask({ taskId: "", handle });
    expect(await waitTask(next, config)).toMatchObject({ exitCode: 9, signal: 0 });
    expect((await typesOf()).at(-1)).toBe("exited");
  });

  test("does not prevent a new plugin from recovering a task", async () => {
    const { agent, open, config, handle, fill, free, typesOf } = await setUp("exit 11");
    await agent.crash();
    fill();
    const next = await startAgent({ stateDir: agent.stateDir });
    await next.driver.recoverTask({ taskId: "", handle });
    open();
    expect(await waitTask(next, config)).toMatchObject({ exitCode: 11 });
    expect(await typesOf()).not.toContain("recovered");
    free();
    await eventually(async () => expect((await typesOf()).slice(-2)).toEqual(["recovered", "exited"]));
  });
});
