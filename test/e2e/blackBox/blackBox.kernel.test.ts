/** What the black box adds to the cause of a failure, in a plugin as an agent runs it. */
import { spawn } from "node:child_process";
import { chmodSync, symlinkSync, writeFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import type { EventData } from "../../../src/machines/events.ts";
import { type Agent, runTask, startAgent, startedTask, waitTask } from "../../support/agent/agent.ts";
import { makeAllocation } from "../../support/agent/allocation.ts";
import { eventsOf } from "../../support/history/eventLog.ts";
import { blackBoxProblem } from "../../support/host/blackBoxProblem.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { call } from "../../support/screen/commandLine.ts";

const problem = await blackBoxProblem("the black box");

const options = { black_box: "on", allow_host_pid: true, unveil_by_task: true, allow_cgroup_delegate: true };

describe.skipIf(problem !== undefined)("with a black box", () => {
  let agent: Agent;
  beforeAll(async () => {
    agent = await startAgent({ options });
  });

  async function exitOf(of: Agent, id: string): Promise<EventData<"exited">> {
    const events = await eventsOf(of.stateDir, id);
    return events.find(({ type }) => type === "exited")?.data as EventData<"exited">;
  }

  /** A file of the host that everybody may read. */
  function hostFile(): string {
    const folder = temporaryFolder("/var/tmp");
    chmodSync(folder, 0o755);
    writeFileSync(`${folder}/app.conf`, "text", { mode: 0o644 });
    return `${folder}/app.conf`;
  }

  const silent = (path: string) => ({
    command: "perl",
    args: ["-e", 'open(F, "<", $ARGV[0]) or exit 3', path],
  });

  test("the cause of a program that says nothing is the path that it missed, and the entry that adds it", async () => {
    const path = hostFile();
    const task = makeAllocation().config(silent(path));
    await runTask(agent, task);
    const { cause, blackBox } = await exitOf(agent, task.id);
    expect(cause).toEqual({
      grade: "witnessed",
      kind: "missing_path",
      text: `it last missed ${path}, which the host has, but not its root`,
      advice: [{ option: "unveil", value: [`r:${path}`] }],
      line: null,
    });
    expect(blackBox?.missed).toContainEqual(expect.objectContaining({ path, program: "perl" }));
    const { stdout } = await call(["why", task.id, "--state-dir", agent.stateDir]);
    expect(stdout.replaceAll(/\s+/g, " ")).toMatch(
      new RegExp(
        `It last missed ${path}, .* unveil = \\["r:${path}"\\] \\[\\d+\\]\\. .*It missed a path that the host has`,
      ),
    );
    const unveiled = makeAllocation().config({ ...silent(path), unveil: [`r:${path}`] });
    expect(await runTask(agent, unveiled)).toMatchObject({ exitCode: 0 });
  });

  test("a missed path with symlinks comes with what it leads to, and with the entry that adds what is missing", async () => {
    const path = hostFile();
    const folder = temporaryFolder("/var/tmp");
    chmodSync(folder, 0o755);
    const link = `${folder}/link.conf`;
    symlinkSync(path, link);
    const causeWith = async (unveil: readonly string[]) => {
      const task = makeAllocation().config({ ...silent(link), unveil: [...unveil] });
      const { exitCode } = await runTask(agent, task);
      return { exitCode, cause: (await exitOf(agent, task.id)).cause };
    };
    const [alone, inFolder] = [await causeWith([]), await causeWith([`r:${folder}`])];
    for (const { cause } of [alone, inFolder])
      expect(cause?.text).toBe(
        `it last missed ${link} (a link to ${path}), which the host has, but not its root`,
      );
    expect(alone.cause?.advice).toEqual([{ option: "unveil", value: [`r:${link}`] }]);
    expect(inFolder.cause?.advice).toEqual([{ option: "unveil", value: [`r:${path}`] }]);
    expect((await causeWith([`r:${link}`])).exitCode).toBe(0);
    expect((await causeWith([`r:${folder}`, `r:${path}`])).exitCode).toBe(0);
  });

  test.each([
    ["bash", ["-lc", "exit 3"]],
    ["python3", ["-c", "import ssl, time; time.localtime(); raise SystemExit(3)"]],
    ["curl", ["-s", "https://localhost:1"]],
    ["perl", ["-e", "exit 3"]],
  ])(
    "a program that ends for its own reasons has not missed what %s can do without",
    async (command, args) => {
      const task = makeAllocation().config({ command, args });
      await runTask(agent, task);
      const { cause, blackBox } = await exitOf(agent, task.id);
      expect(cause?.kind).toBe("unknown");
      expect(blackBox?.missed).toEqual([]);
    },
  );

  test("a killed task names who killed it", async () => {
    const { config, pid } = await startedTask(agent, { command: "sleep", args: ["60"] });
    const killer = spawn("sh", ["-c", `kill -STOP ${pid}; kill -KILL ${pid}; sleep 1`]);
    const result = await waitTask(agent, config);
    expect(result.signal).toBe(9);
    const { cause, blackBox } = await exitOf(agent, config.id);
    expect(cause).toMatchObject({ kind: "signal", text: `killed by pid ${killer.pid} (sh), user root` });
    expect(blackBox?.signals.map(({ signal }) => signal)).toEqual([19, 9]);
  });

  const inCgroups =
    "cd /sys/fs/cgroup; mkdir -p a/b/c d; enter() { echo 0 > $1/cgroup.procs; }; enter a/b/c;";

  test("a program in a cgroup that its task has made is known: the path that it missed", async () => {
    const path = hostFile();
    const { command, args } = silent(path);
    const script = `${inCgroups} exec ${command} "$@"`;
    const task = makeAllocation().config({
      ...{ command: "sh", args: ["-c", script, "sh", ...args], cgroup_delegate: true },
    });
    expect(await runTask(agent, task)).toMatchObject({ exitCode: 3 });
    expect((await exitOf(agent, task.id)).cause?.text).toContain(`it last missed ${path}`);
  });

  test("a program in a cgroup that its task has made is known: who killed it", async () => {
    const script = `${inCgroups} (enter d; kill -KILL $$) & wait; sleep 60`;
    const killed = { command: "sh", args: ["-c", script], cgroup_delegate: true };
    const own = makeAllocation().config(killed);
    expect(await runTask(agent, own)).toMatchObject({ signal: 9 });
    expect((await exitOf(agent, own.id)).cause?.text).toMatch(
      /^killed by pid \d+ \(sh\), a process of the task$/,
    );
    const { config, pid, allocation } = await startedTask(agent, {
      ...{ ...killed, args: ["-c", `${inCgroups} echo up; exec sleep 60`] },
    });
    await allocation.stdout.contains("up");
    const killer = spawn("sh", ["-c", `kill -KILL ${pid}; sleep 1`]);
    expect(await waitTask(agent, config)).toMatchObject({ signal: 9 });
    expect((await exitOf(agent, config.id)).cause?.text).toBe(`killed by pid ${killer.pid} (sh), user root`);
  });

  test("a crashed task names the file that it crashed in, and the last calls that failed", async () => {
    const code = 'open(F, "<", "/none/before"); unpack "p", pack "Q", 8';
    const task = makeAllocation().config({ command: "perl", args: ["-e", code] });
    expect(await runTask(agent, task)).toMatchObject({ signal: 11 });
    const { cause, blackBox } = await exitOf(agent, task.id);
    expect(cause?.text).toMatch(/^SIGSEGV: .*, in \S+\/libc\.so\.6 at 0x[0-9a-f]+$/);
    expect(blackBox?.calls.at(-1)).toMatchObject({ call: "openat", error: "ENOENT", object: "/none/before" });
    const { stdout } = await call(["why", task.id, "--state-dir", agent.stateDir]);
    expect(stdout).toContain("crashed");
    // Root may see it in the host's own log.
    expect(stdout).toContain("/none/before");
  });

  test("a plugin that takes a task over records what the task does from then on", async () => {
    const first = await startAgent({ options });
    const path = hostFile();
    const code = 'sleep 1 until -e "$ENV{NOMAD_TASK_DIR}/go"; open(F, "<", $ARGV[0]) or exit 3';
    const { allocation, config, handle } = await startedTask(first, {
      command: "perl",
      args: ["-e", code, path],
    });
    await first.crash();
    const next = await startAgent({ options, stateDir: first.stateDir });
    await next.driver.recoverTask({ taskId: "", handle });
    writeFileSync(`${allocation.taskFolder}/local/go`, "");
    await waitTask(next, config);
    expect((await exitOf(next, config.id)).cause?.text).toContain(`it last missed ${path}`);
  });
});
