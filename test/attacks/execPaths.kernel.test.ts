/** A user who may run commands in a task tries paths of commands, to learn which files the host has. */
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { expect, onTestFinished, test } from "vitest";
import { startAgent, startTask } from "../support/agent/agent.ts";
import { makeAllocation } from "../support/agent/allocation.ts";
import { ExecCall } from "../support/agent/execCall.ts";
import { temporaryFolder } from "../support/host/temporaryFolder.ts";

const agent = await startAgent();

test("a task's link leads a command to no file of the host, and does not reveal whether the file exists", async () => {
  const hidden = temporaryFolder();
  mkdirSync(`${hidden}/folder`);
  writeFileSync(`${hidden}/file`, "");
  chmodSync(hidden, 0o700);
  onTestFinished(() => chmodSync(hidden, 0o755));
  const allocation = makeAllocation();
  const names = ["file", "folder", "nothing"];
  const links = names.map((name) => `ln -s ${hidden}/${name} $NOMAD_TASK_DIR/${name}`);
  const config = allocation.config(`${links.join(" && ")} && echo made; exec sleep 1000`);
  await startTask(agent, config);
  await allocation.stdout.contains("made");
  const answers = names.map(async (name) => {
    const call = new ExecCall(agent, config.id, [`${allocation.taskFolder}/local/${name}`]).closeInput();
    expect(await call.result).toMatchObject({ exitCode: 127 });
    return `${call.stderr}`.replaceAll(`/${name}`, "/…");
  });
  expect(new Set(await Promise.all(answers)).size).toBe(1);
});
