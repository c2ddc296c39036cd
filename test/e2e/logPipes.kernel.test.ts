import { lstatSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import type { Agent } from "../support/agent.ts";
import { type Allocation, makeAllocation } from "../support/allocation.ts";
import { expectRefusal, startWarmAgent } from "../support/refusal.ts";

let agent: Agent;
beforeAll(async () => {
  agent = await startWarmAgent({});
});

describe("a start fails that may succeed when it is tried again", () => {
  test("because nobody reads the log pipe", async () => {
    const allocation = makeAllocation();
    await allocation.stderr.close();
    const text = /nobody reads the task's log pipe .*main\.stderr\.fifo: ENXIO/;
    await expectRefusal(agent, allocation.config("true"), {
      code: "LOG_PIPE_NO_READER",
      text,
      recoverable: true,
    });
  });

  test("because the log pipe is not there yet", async () => {
    const allocation = makeAllocation();
    rmSync(allocation.stdout.path);
    const text = /not there .*main\.stdout\.fifo: ENOENT/;
    await expectRefusal(agent, allocation.config("true"), {
      code: "LOG_PIPE_NO_READER",
      text,
      recoverable: true,
    });
  });
});

describe("a log pipe that a task has replaced is not opened", () => {
  test.each<[string, (allocation: Allocation, victim: Allocation) => void]>([
    [
      "by a symlink to a file",
      ({ stdout }) => {
        rmSync(stdout.path);
        symlinkSync("/etc/hosts", stdout.path);
      },
    ],
    [
      "by a symlink to another allocation's pipe",
      ({ stdout }, victim) => {
        rmSync(stdout.path);
        symlinkSync(victim.stdout.path, stdout.path);
      },
    ],
    [
      "by a plain file",
      ({ stdout }) => {
        rmSync(stdout.path);
        writeFileSync(stdout.path, "");
      },
    ],
    [
      "by a folder of pipes elsewhere",
      ({ folder }, victim) => {
        renameSync(`${folder}/alloc/logs`, `${folder}/alloc/moved`);
        symlinkSync(`${victim.folder}/alloc/logs`, `${folder}/alloc/logs`);
      },
    ],
  ])("%s", async (_what, replace) => {
    const victim = makeAllocation();
    const allocation = makeAllocation();
    const before = [lstatSync("/etc/hosts"), lstatSync(victim.stdout.path)];
    replace(allocation, victim);
    const text = /is not to be trusted/;
    await expectRefusal(agent, allocation.config("true"), {
      code: "LOG_PIPE_UNSAFE",
      text,
      recoverable: false,
    });
    expect([statSync("/etc/hosts"), statSync(victim.stdout.path)].map(({ uid, gid }) => [uid, gid])).toEqual(
      before.map(({ uid, gid }) => [uid, gid]),
    );
  });
});
