/** The keys of `top` on a row, on a real pseudo-terminal, over tasks that `run` has started. */
import { expect, it } from "vitest";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { programEntry } from "../../support/plugin/pluginEntry.ts";
import { call, shellJob, start } from "../../support/screen/commandLine.ts";
import { openTerminalSession } from "../../support/screen/terminalSession.ts";

const columns = 120;

async function running() {
  const stateDir = temporaryFolder();
  await call(["run", "--state-dir", stateDir, shellJob("exit 7")]);
  const run = start(["run", "--state-dir", stateDir, shellJob("echo up; exec sleep 1000")]);
  await run.seen("up");
  const terminal = openTerminalSession({ columns, rows: 30 });
  terminal.type(`${process.execPath} ${programEntry} top --delay 0.3 --state-dir ${stateDir}\n`);
  await terminal.shows(/^> task .* running /m);
  return { terminal, run, stateDir };
}

it("keys on a row open its logs, a shell, why and its events, and come back", async () => {
  const { terminal } = await running();
  await terminal.shows(/^l logs {3}s shell/m);
  await terminal.shows(/^ {2}memory .* most [\d.]+ [KM]iB in /m);
  terminal.type("w");
  await terminal.shows(/task of job test, .*: running[\s\S]*Any key shows the tasks again/);
  terminal.type(" ");
  await terminal.shows(/^> task .* running /m);
  terminal.type("e");
  await terminal.shows(/sandboxed[\s\S]*Any key shows the tasks again/);
  terminal.type(" ");
  await terminal.shows(/^> task .* running /m);
  terminal.type("l");
  await terminal.shows(/up$/m);
  terminal.type("\x03");
  await terminal.shows(/^> task .* running /m);
  terminal.type("s");
  await terminal.shows(/\$ $/m);
  terminal.type("echo in-$((40 + 2))-$USER; exit\n");
  await terminal.shows(/in-42-/);
  await terminal.shows(/^> task .* running /m);
  terminal.type("o");
  await terminal.shows(/http:\/\/127\.0\.0\.1:\d+\//);
  terminal.type("\x03");
  await terminal.shows(/^> task .* running /m);
  terminal.type("q");
  await terminal.shows(/shell> $/);
});

it("a task is stopped and restarted only after a question, and failed tasks are shown on request", async () => {
  const { terminal, run, stateDir } = await running();
  terminal.type("x");
  await terminal.shows(/^stop task, .*\? y, or any other key/m);
  terminal.type("n");
  await terminal.shows(/^l logs/m);
  terminal.type("r");
  await terminal.shows(/^restart task, /m);
  terminal.type("y");
  await terminal.shows(/Any key shows the tasks again/);
  const { stdout } = await call(["ps", "--all", "--json", "--state-dir", stateDir]);
  expect(stdout.trim().split("\n")).toHaveLength(3);
  terminal.type(" ");
  await terminal.shows(/^> task .* running /m);
  terminal.type("f");
  await terminal.shows(/^with failed tasks[\s\S]*^ {2}task .* failed /m);
  terminal.type("\x1b[B");
  await terminal.shows(/^> task .* failed /m);
  terminal.type("x");
  await terminal.shows(/^task does not run/m);
  terminal.type("w");
  await terminal.shows(/exit code 7[\s\S]*Any key shows the tasks again/);
  terminal.type(" ");
  await terminal.shows(/^> task .* failed /m);
  terminal.type("f");
  await terminal.shows(/^> task .* running /m);
  terminal.type("x");
  await terminal.shows(/^stop task, /m);
  terminal.type("y");
  expect((await run.ended).stderr).toMatch(/killed by SIGINT[\s\S]*killed by SIGINT/);
  await terminal.shows(/Any key shows the tasks again/);
  terminal.type(" ");
  await terminal.shows(/No task is running/);
});

it("the terminal is as it was when the program that a key has started is killed, and when top is", async () => {
  const { terminal } = await running();
  terminal.type("s");
  await terminal.shows(/\$ $/m);
  terminal.type("kill -9 $$\n");
  await terminal.shows(/Any key shows the tasks again/);
  terminal.type(" ");
  await terminal.shows(/^> task .* running /m);
  terminal.type("q");
  await terminal.shows(/shell> $/);
  terminal.type("stty -a | grep -c -- ' icanon'\n");
  await terminal.shows(/^1$/m);
});
