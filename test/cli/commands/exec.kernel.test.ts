/** `exec` from the command line, with a plugin that an agent has started. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { describe, expect, it } from "vitest";
import { commandOutput } from "../../../src/effects/exec/commandStdio.ts";
import { openTerminal, resizeTerminal } from "../../../src/effects/exec/terminal.ts";
import { newStateDir, pidOf, startAgent, startTask } from "../../support/agent/agent.ts";
import { makeAllocation } from "../../support/agent/allocation.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { programEntry } from "../../support/plugin/pluginEntry.ts";
import { call, shellJob, start } from "../../support/screen/commandLine.ts";

const agent = await startAgent();

async function runningTask(taskName: string) {
  const allocation = makeAllocation({ taskName });
  const config = allocation.config("exec sleep 1000");
  await startTask(agent, config);
  return { allocation, config };
}

const exec = (...args: readonly string[]) => ["exec", "--state-dir", agent.stateDir, ...args];

/** Runs a script in a task, with a descriptor as standard input, which is closed here. */
function execFrom(input: number, task: string, script: string) {
  const child = spawn(process.execPath, [programEntry, ...exec(task, "--", "sh", "-c", script)], {
    stdio: [input, "pipe", "pipe"],
  });
  closeSync(input);
  return child;
}

describe("exec", () => {
  it("passes input, outputs and the exit code", async () => {
    const { allocation } = await runningTask("web");
    const script = "cat; id -u; echo err >&2; exit 7";
    const ended = await call(exec("web", "--", "sh", "-c", script), { input: "typed\n" });
    expect(ended).toEqual({ code: 7, stdout: `typed\n${allocation.user.uid}\n`, stderr: "err\n" });
  });

  it("reports an end by a signal as shells do", async () => {
    const { config } = await runningTask("killed");
    expect(await call(exec(config.id, "--", "sh", "-c", "kill -9 $$"))).toMatchObject({ code: 137 });
  });

  it("ends the command when it is interrupted", async () => {
    const { allocation, config } = await runningTask("interrupted");
    const task = await pidOf(agent, config);
    const { child, seen, ended } = start(exec("interrupted", "--", "sh", "-c", "echo up; sleep 1000"));
    await seen("up");
    child.kill("SIGINT");
    expect(await ended).toMatchObject({ code: 130, stderr: "" });
    await expect.poll(() => allocation.cgroup.processes()).toEqual([task]);
  });

  it("gives the command this terminal: its keys, its size, and changes of the size", async () => {
    await runningTask("shell");
    const { master, slave } = openTerminal(0);
    resizeTerminal(master, { rows: 30, columns: 90 });
    const script =
      'stty size; trap "stty size" WINCH; trap "echo got it; exit 5" INT; echo ready; while :; do sleep 0.02; done';
    // Starts a new session with this terminal, as a shell would, because only its foreground process group
    // gets SIGWINCH.
    const child = spawn(
      "setsid",
      ["--ctty", "--wait", process.execPath, programEntry, ...exec("shell", "--", "sh", "-c", script)],
      {
        stdio: [slave, slave, slave],
      },
    );
    const output = commandOutput(master, "terminal");
    let shown = "";
    output.stream.on("data", (chunk: Buffer) => {
      shown += chunk;
    });
    await expect.poll(() => shown).toContain("ready");
    expect(shown).toContain("30 90");
    resizeTerminal(master, { rows: 20, columns: 70 });
    await expect.poll(() => shown).toContain("20 70");
    writeSync(master, "\x03");
    const [code] = await once(child, "exit");
    expect(code).toBe(5);
    expect(shown).toContain("got it");
    output.finish();
  });

  it.each([
    ["-T", "a\x1b[31mb\x1b[0m"],
    ["-t", "a\x1b]52;c;aGk=\x07\x1b[31mb\x1b[0m"],
  ])("shows on this terminal what the command prints, with %s", async (option, expected) => {
    await runningTask("painter");
    const { master, slave } = openTerminal(0);
    const script = "printf 'a\\033]52;c;aGk=\\007\\033[31mb\\033[0m\\n'";
    const args = exec(option, "painter", "--", "sh", "-c", script);
    const child = spawn("setsid", ["--ctty", "--wait", process.execPath, programEntry, ...args], {
      stdio: [slave, slave, slave],
    });
    const output = commandOutput(master, "terminal");
    let shown = "";
    output.stream.on("data", (chunk: Buffer) => {
      shown += chunk;
    });
    await once(child, "exit");
    await expect.poll(() => shown).toContain(expected);
    output.finish();
  });

  it("ends the command when nobody reads its output any more", async () => {
    const { allocation, config } = await runningTask("piped");
    const task = await pidOf(agent, config);
    const { child, seen, ended } = start(exec("piped", "yes"));
    await seen("y\n");
    child.stdout?.destroy();
    expect(await ended).toMatchObject({ code: 141, stderr: "" });
    await expect.poll(() => allocation.cgroup.processes()).toEqual([task]);
  });

  it("runs its command without input if standard input cannot be read", async () => {
    await runningTask("unread");
    const writable = openSync(join(temporaryFolder(), "input"), "w");
    const child = execFrom(writable, "unread", "cat; exit 3");
    const said = text(child.stderr as Readable);
    expect(await once(child, "exit")).toEqual([3, null]);
    expect(await said).toMatch(/standard input cannot be read: EBADF/);
  });

  it("ends with its command even if a device on standard input never answers", async () => {
    await runningTask("deaf");
    // A read of the kernel's messages waits for the next one.
    const device = openSync("/dev/kmsg", "r");
    const child = execFrom(device, "deaf", "echo out; exit 3");
    const shown = text(child.stdout as Readable);
    expect(await once(child, "exit")).toEqual([3, null]);
    expect(await shown).toBe("out\n");
  });

  it("works with the plugin of a local run", async () => {
    const stateDir = newStateDir();
    const run = start(["run", "--state-dir", stateDir, shellJob("echo up; exec sleep 1000")]);
    await run.seen("up");
    const ended = await call([
      "exec",
      "--state-dir",
      stateDir,
      "task",
      "--",
      "sh",
      "-c",
      "echo in $NOMAD_TASK_NAME",
    ]);
    expect(ended).toEqual({ code: 0, stdout: "in task\n", stderr: "" });
  });

  it("says what is wrong", async () => {
    await runningTask("here");
    expect(await call(exec("nowhere", "--", "true"))).toMatchObject({
      code: 125,
      stderr: expect.stringContaining("TASK_NOT_FOUND: no task is called nowhere"),
    });
    expect(await call(exec("here", "--", "no-such-program"))).toEqual({
      code: 127,
      stdout: "",
      stderr: expect.stringContaining('COMMAND_NOT_FOUND: command "no-such-program" not found'),
    });
    expect(await call(exec("here", "--", "/etc"))).toMatchObject({
      code: 126,
      stderr: expect.stringContaining("/etc is a folder"),
    });
    expect(await call(exec("here"))).toMatchObject({ code: 125 });
    // Without `--`, options after the command belong to the command.
    expect(await call(exec("here", "sh", "-c", "echo $1", "x", "-T"))).toEqual({
      code: 0,
      stdout: "-T\n",
      stderr: "",
    });
    const other = await startAgent();
    const config = makeAllocation({ taskName: "left" }).config("exec sleep 1000");
    await startTask(other, config);
    await other.crash();
    expect(await call(["exec", "--state-dir", other.stateDir, config.id, "--", "true"])).toMatchObject({
      code: 125,
      stderr: expect.stringContaining("PLUGIN_FAILED: no plugin runs with the state folder"),
    });
  });
});
