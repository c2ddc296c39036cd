import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { soonMs } from "../../../src/history/cause/decisive.ts";
import { pidOf, waitTask } from "../../support/agent/agent.ts";
import type { Command } from "../../support/agent/allocation.ts";
import { describe, onTestFinished, test } from "../support/runner.ts";
import { startVmTask } from "../support/runningTask.ts";
import { eventData, plugin, startVmAgent, type VmAgent } from "../support/vmAgent.ts";

let boxed: Promise<VmAgent> | undefined;

async function startBoxed(command: Command) {
  boxed ??= startVmAgent({ black_box: "on" });
  return startVmTask({ command, agent: await boxed });
}

/** What `why` says of a task, in one line. */
function why({ stateDir }: VmAgent, id: string): string {
  const said = execFileSync(plugin, ["why", id, "--state-dir", stateDir], { encoding: "utf8" });
  return said.replaceAll(/\s+/g, " ");
}

describe("black box", () => {
  test("a program that misses a file of the host without a word: why names the file and the entry", async () => {
    const path = "/etc/login.defs";
    const { agent, config } = await startBoxed({
      command: "perl",
      args: ["-e", 'open(F, "<", $ARGV[0]) or exit 3', path],
    });
    assert.partialDeepStrictEqual(await waitTask(agent, config), { exitCode: 3 });
    const sentence = `it last missed ${path}, which the host has, but not its root`;
    const advice = `unveil = ["r:${path}"]`;
    const { err } = await agent.driver.waitTask({ taskId: config.id });
    const { cause, blackBox, endedAt } = await eventData(agent, config.id, "exited");
    const missed = blackBox?.missed.find((each) => each.path === path && each.program === "perl");
    assert.ok(missed);
    // Under emulation, a program may take longer to its end than the driver takes for a consequence.
    if (endedAt - missed.at > soonMs) return assert.equal(cause?.kind, "unknown");
    assert.ok(err.startsWith(`${sentence}: ${advice}`), err);
    assert.equal(cause?.text, sentence);
    const said = why(agent, config.id);
    assert.ok(said.includes(sentence.replace("it", "It")) && said.includes(advice), said);
  });

  test("a task that a process of the host kills: why names the process and its user", async () => {
    const { agent, config } = await startBoxed({ command: "sleep", args: ["1000"] });
    const killer = spawn("sh", ["-c", `kill -KILL ${await pidOf(agent, config)}; sleep 5`]);
    onTestFinished(() => void killer.kill());
    assert.partialDeepStrictEqual(await waitTask(agent, config), { signal: 9 });
    const sentence = `killed by pid ${killer.pid} (sh), user root`;
    const { err } = await agent.driver.waitTask({ taskId: config.id });
    assert.ok(err.startsWith(sentence), err);
    assert.ok(why(agent, config.id).includes(sentence.replace("killed", "Killed")), why(agent, config.id));
  });

  test("a task that crashes in a file of overlayfs: the cause names the file and the place in it", async () => {
    const code = 'unpack "p", pack "Q", 8';
    const { agent, config } = await startBoxed({ command: "perl", args: ["-e", code] });
    assert.partialDeepStrictEqual(await waitTask(agent, config), { signal: 11 });
    const { cause } = await eventData(agent, config.id, "exited");
    assert.match(cause?.text ?? "", /^SIGSEGV: .*, in \S+\/libc\.so\.6 at 0x[0-9a-f]+$/);
  });
});
