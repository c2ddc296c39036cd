/** Tasks whose log files the driver writes, read by a client as it reads any task's. */
import { existsSync, readdirSync, renameSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import {
  type Agent,
  newStateDir,
  runTask,
  startAgent,
  startedTask,
  startTask,
  waitTask,
} from "../../support/agent/agent.ts";
import { Allocation, type Command, makeAllocation, noCollector } from "../../support/agent/allocation.ts";
import { killLoggers, loggersIn } from "../../support/agent/loggers.ts";
import { followLog, readLog, readLogTail } from "../../support/agent/logReader.ts";
import { expectRefusal } from "../../support/agent/refusal.ts";
import { eventsOf } from "../../support/history/eventLog.ts";
import { eventually } from "../../support/host/eventually.ts";
import { smallFileSystem } from "../../support/host/smallFileSystem.ts";
import { call } from "../../support/screen/commandLine.ts";

const MiB = 2 ** 20;
const options = { log_collection: "driver", log_max_files: 1_000 };
/** Of a test with many plugins or tasks, on a busy machine. */
const patienceMs = 1_200_000;
let agent: Agent;
beforeAll(async () => {
  agent = await startAgent({ options });
});

const folderOf = ({ folder }: Allocation) => `${folder}/alloc/logs`;
const logOf = (allocation: Allocation, stream: "stdout" | "stderr" = "stdout") => ({
  ...{ folder: folderOf(allocation), task: allocation.taskName, stream },
});
const textOf = (allocation: Allocation, stream: "stdout" | "stderr" = "stdout") =>
  readLog(logOf(allocation, stream)).toString();

/** Numbers of lines, one each. */
const numbered = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => `${from + index}\n`).join("");

/** Small files, so that output fills several. */
const smallFiles = (script: string, files = 10): Command => ({
  ...{ command: "sh", args: ["-c", script], log_max_file_size: 1, log_max_files: files },
});

async function dataOf(type: string, { id }: { readonly id: string }): Promise<unknown> {
  return (await eventsOf(agent.stateDir, id)).find((event) => event.type === type)?.data;
}

const loggersOf = (allocation: Allocation) => loggersIn(folderOf(allocation));

describe("the driver's own log files", () => {
  test("hold each stream byte for byte, belong to root, and need no pipe of the agent", async () => {
    const allocation = makeAllocation();
    const script = "printf 'a\\000b'; echo err >&2; printf 'no newline'";
    expect(await runTask(agent, allocation.config(script))).toMatchObject({ exitCode: 0 });
    expect(textOf(allocation)).toBe("a\0bno newline");
    expect(textOf(allocation, "stderr")).toBe("err\n");
    const folder = folderOf(allocation);
    const files = ["main.stderr.0", "main.stdout.0"];
    const times = files.map((name) => `.${name}.times`);
    expect(readdirSync(folder).sort()).toEqual([...times, ...files]);
    const { uid, gid, mode } = statSync(`${folder}/main.stdout.0`);
    expect([uid, gid, (mode & 0o7777).toString(8)]).toEqual([0, 0, "644"]);
  });

  test("are complete when the end of the task is told, with the places where its run began and ended", async () => {
    const allocation = makeAllocation();
    const first = allocation.config("echo one; exit 3");
    expect(await runTask(agent, first)).toMatchObject({ exitCode: 3 });
    const second = allocation.config("seq 1 100000");
    await startTask(agent, second);
    await waitTask(agent, second);
    const written = `one\n${numbered(1, 100_000)}`;
    expect(textOf(allocation)).toBe(written);
    const end = (bytes: number) => ({ stdout: { file: 0, bytes }, stderr: { file: 0, bytes: 0 } });
    expect(await dataOf("sandboxed", first)).toMatchObject({ output: end(0) });
    expect(await dataOf("exited", first)).toMatchObject({ output: end(4) });
    expect(await dataOf("sandboxed", second)).toMatchObject({ output: end(4) });
    expect(await dataOf("exited", second)).toMatchObject({
      output: { ...end(written.length), complete: true },
    });
  });

  test("of many tasks at once are each its own, byte for byte", { timeout: patienceMs }, async () => {
    const allocations = Array.from({ length: 200 }, () => makeAllocation());
    await Promise.all(
      allocations.map(async (allocation) => {
        const { id } = allocation;
        const script = `seq -f "${id} %g" 1 5000 & seq -f "${id} %g" 1 5000 >&2; wait`;
        expect(await runTask(agent, allocation.config(smallFiles(script)))).toMatchObject({ exitCode: 0 });
      }),
    );
    for (const allocation of allocations) {
      const lines = Array.from({ length: 5_000 }, (_, n) => `${allocation.id} ${n + 1}\n`).join("");
      expect(textOf(allocation) === lines).toBe(true);
      expect(textOf(allocation, "stderr") === lines).toBe(true);
      expect(loggersOf(allocation)).toEqual([]);
    }
  });

  test("of two tasks of an allocation stay apart, and a command's output is in neither", async () => {
    const one = makeAllocation();
    const gate = one.gate();
    const web = one.config('echo web; read -r _ < "$NOMAD_TASK_DIR/gate"; echo end');
    const side = new Allocation({ id: one.id, taskName: "side" });
    onTestFinished(() => side.cgroup.remove());
    const other = side.config("echo sidecar");
    await startTask(agent, web);
    await startTask(agent, other);
    await waitTask(agent, other);
    const { stdout } = await agent.driver.execTask({
      ...{ taskId: web.id, command: ["echo", "from exec"], timeout: { seconds: 10, nanos: 0 } },
    });
    expect(stdout.toString()).toBe("from exec\n");
    gate();
    await waitTask(agent, web);
    expect(textOf(one)).toBe("web\nend\n");
    expect(textOf(side)).toBe("sidecar\n");
  });

  test("are followed over twenty rotations, with every line once; from the end and from the start", async () => {
    const allocation = makeAllocation();
    const config = allocation.config(smallFiles("seq 1 3200000", 100));
    const over = new AbortController();
    const followed = (async () => {
      const parts: Buffer[] = [];
      while (!existsSync(`${folderOf(allocation)}/main.stdout.0`)) await new Promise((r) => setTimeout(r, 5));
      for await (const part of followLog(logOf(allocation), over.signal)) parts.push(part);
      return Buffer.concat(parts).toString();
    })();
    expect(await runTask(agent, config)).toMatchObject({ exitCode: 0 });
    over.abort();
    const written = numbered(1, 3_200_000);
    expect((await followed) === written).toBe(true);
    expect(textOf(allocation) === written).toBe(true);
    expect(readLogTail(logOf(allocation), 100).toString()).toBe(written.slice(-100));
    const files = readdirSync(folderOf(allocation)).filter((name) => name.startsWith("main.stdout."));
    expect(files.length).toBeGreaterThan(20);
    for (const name of files)
      expect(statSync(`${folderOf(allocation)}/${name}`).size).toBeLessThanOrEqual(2 ** 20);
  });

  test("keep the newest files, as many as the task asks for", async () => {
    const allocation = makeAllocation();
    await runTask(agent, allocation.config(smallFiles("seq 1 1000000", 3)));
    const written = numbered(1, 1_000_000);
    const kept = textOf(allocation);
    expect(written.endsWith(kept)).toBe(true);
    expect(readdirSync(folderOf(allocation)).filter((name) => name.startsWith("main.stdout."))).toHaveLength(
      3,
    );
    // The reader begins at the first line of a file.
    expect(written[written.length - kept.length - 1]).toBe("\n");
  });

  test("are not more than the task asks for, also when an earlier run has left more", async () => {
    const allocation = makeAllocation();
    const filesOf = (stream: string) =>
      readdirSync(folderOf(allocation))
        .filter((name) => name.startsWith(`main.${stream}.`))
        .map((name) => Number(name.split(".")[2]))
        .sort((a, b) => a - b);
    await runTask(agent, allocation.config(smallFiles("seq 1 700000; seq 1 400000 >&2")));
    const before = { stdout: filesOf("stdout"), stderr: filesOf("stderr") };
    expect([before.stdout.length, before.stderr.length]).toEqual([5, 3]);
    await runTask(agent, allocation.config(smallFiles("echo again", 2)));
    expect(filesOf("stdout")).toEqual(before.stdout.slice(-2));
    expect(filesOf("stderr")).toEqual(before.stderr.slice(-2));
    expect(textOf(allocation).endsWith("700000\nagain\n")).toBe(true);
  });

  test("have everything that a task wrote until it was removed, without a gap", async () => {
    const allocation = makeAllocation();
    const config = allocation.config(smallFiles("exec seq 1 100000000", 3));
    await startTask(agent, config);
    await eventually(() => expect(textOf(allocation).length).toBeGreaterThan(100_000));
    await agent.driver.destroyTask({ taskId: config.id, force: true });
    const kept = textOf(allocation);
    const lines = kept.split("\n");
    const [first, last] = [Number(lines[0]), Number(lines.at(-2))];
    expect(kept.startsWith(numbered(first, last))).toBe(true);
    expect(loggersOf(allocation)).toEqual([]);
  });

  test("are opened again as /dev/stdout and /dev/stderr", async () => {
    const allocation = makeAllocation();
    const script = "echo one > /dev/stdout; echo two | tee /dev/stderr; echo three >> /proc/self/fd/1";
    expect(await runTask(agent, allocation.config(script))).toMatchObject({ exitCode: 0 });
    expect(textOf(allocation)).toBe("one\ntwo\nthree\n");
    expect(textOf(allocation, "stderr")).toBe("two\n");
  });

  test("end with the error of a start that failed", async () => {
    const allocation = makeAllocation();
    await runTask(agent, allocation.config("echo err >&2"));
    const refused = startTask(agent, allocation.config({ command: "no-such-command" }));
    await expect(refused).rejects.toThrow("COMMAND_NOT_FOUND");
    expect(textOf(allocation, "stderr")).toMatch(/^err\nnomad-driver-exec2: COMMAND_NOT_FOUND: .*\n$/);
    await expect(startTask(agent, allocation.config({ command: "true", umask: "9" }))).rejects.toThrow(
      "umask",
    );
    expect(textOf(allocation, "stderr")).toMatch(/\nnomad-driver-exec2: CONFIG_INVALID: .*"umask".*\n$/);
  });
});

describe("what a task puts into its log folder", () => {
  test("does not mislead the files", async () => {
    const allocation = makeAllocation();
    const folder = folderOf(allocation);
    writeFileSync(`${folder}/victim`, "kept");
    symlinkSync("victim", `${folder}/main.stdout.0`);
    symlinkSync("victim", `${folder}/main.stderr.7`);
    await runTask(agent, allocation.config("echo out; echo err >&2"));
    expect(statSync(`${folder}/victim`).size).toBe(4);
    const texts = readdirSync(folder).filter((name) => name.startsWith("main.stdout."));
    expect(texts).toEqual(["main.stdout.0"]);
    expect(textOf(allocation)).toBe("out\n");
  });

  test("in place of the folder is refused", async () => {
    const [allocation, victim] = [makeAllocation(), makeAllocation()];
    renameSync(folderOf(allocation), `${allocation.folder}/alloc/moved`);
    symlinkSync(folderOf(victim), folderOf(allocation));
    await expectRefusal(agent, allocation.config("true"), {
      ...{ code: "LOG_PIPE_UNSAFE", text: /log folder .* is unsafe/, recoverable: false },
    });
    expect(readdirSync(folderOf(victim))).toEqual([]);
  });
});

describe("a plugin that is killed", () => {
  test("leaves the output as it is, and the next one tells its end", { timeout: patienceMs }, async () => {
    const stateDir = newStateDir();
    let plugin = await startAgent({ options, stateDir });
    const allocation = makeAllocation();
    const script = 'while ! [ -e "$NOMAD_TASK_DIR/end" ]; do seq 1 20000; sleep 0.05; done';
    const config = allocation.config(smallFiles(script, 1_000));
    const handle = await startTask(plugin, config);
    for (let kills = 0; kills < 50; kills++) {
      await plugin.crash();
      plugin = await startAgent({ options, stateDir });
      await plugin.driver.recoverTask({ taskId: "", handle });
    }
    writeFileSync(`${allocation.taskFolder}/local/end`, "");
    expect(await waitTask(plugin, config)).toMatchObject({ exitCode: 0 });
    const [written, each] = [textOf(allocation), numbered(1, 20_000)];
    expect(written.length).toBeGreaterThan(each.length);
    expect(written === each.repeat(written.length / each.length)).toBe(true);
  });

  test("together with the logger lets a task with much output wait, which why says, until the next one", async () => {
    const stateDir = newStateDir();
    const before = await startAgent({ options, stateDir });
    const allocation = makeAllocation();
    const gate = allocation.gate();
    const script = 'echo one; read -r _ < "$NOMAD_TASK_DIR/gate"; exec seq 1 100000';
    const { config, handle } = await startedTask(before, script, allocation);
    await eventually(() => expect(textOf(allocation)).toBe("one\n"));
    const why = async () =>
      (await call(["why", config.id, "--state-dir", stateDir])).stdout.replaceAll("\n", " ");
    expect(await why()).not.toContain("the process that writes its log files");
    await before.crash();
    killLoggers(folderOf(allocation));
    expect(await why()).toContain("No output waits, but the process that writes its log files is gone");
    gate();
    await eventually(async () =>
      expect(await why()).toContain("It waits for its standard output, whose pipe is full (64 KiB)"),
    );
    const after = await startAgent({ options, stateDir });
    await after.driver.recoverTask({ taskId: "", handle });
    expect(await waitTask(after, config)).toMatchObject({ exitCode: 0 });
    expect(textOf(allocation)).toBe(`one\n${numbered(1, 100_000)}`);
    expect(await why()).toContain("The process that takes its output was killed, and another went on");
  });

  test("together with the logger, until the task has ended, leaves no doubt that output may be missing", async () => {
    const stateDir = newStateDir();
    const before = await startAgent({ options, stateDir });
    const allocation = makeAllocation();
    const gate = allocation.gate();
    const script = 'echo one; read -r _ < "$NOMAD_TASK_DIR/gate"; echo two';
    const { config, handle } = await startedTask(before, script, allocation);
    await eventually(() => expect(textOf(allocation)).toBe("one\n"));
    await before.crash();
    killLoggers(folderOf(allocation));
    gate();
    await eventually(() => expect(allocation.cgroup.processes()).toEqual([]));
    const told = "\n[exec2: the end of this output may be missing: the process that wrote it was killed]\n";
    // The second plugin finds the line of the first.
    for (let plugins = 0; plugins < 2; plugins++) {
      const after = await startAgent({ options, stateDir });
      await after.driver.recoverTask({ taskId: "", handle });
      expect(await waitTask(after, config)).toMatchObject({ exitCode: 0 });
      expect(textOf(allocation)).toBe(`one\n${told}`);
      await after.crash();
    }
    expect(textOf(allocation, "stderr")).toBe(told);
    const exited = (await eventsOf(stateDir, config.id)).find(({ type }) => type === "exited");
    expect(exited?.data).toMatchObject({
      output: { stdout: { file: 0, bytes: 4 + told.length }, complete: false },
    });
  });

  test("of the other mode leaves a run in the mode in which it began", async () => {
    const stateDir = newStateDir();
    const before = await startAgent({ options, stateDir });
    const allocation = makeAllocation();
    const gate = allocation.gate();
    const { config, handle } = await startedTask(
      before,
      'echo one; read -r _ < "$NOMAD_TASK_DIR/gate"; echo two',
      allocation,
    );
    await before.crash();
    const after = await startAgent({ stateDir });
    await after.driver.recoverTask({ taskId: "", handle });
    gate();
    expect(await waitTask(after, config)).toMatchObject({ exitCode: 0 });
    expect(textOf(allocation)).toBe("one\ntwo\n");
  });
});

test("a logger that is killed is replaced, and the task loses nothing that was not read yet", async () => {
  const allocation = makeAllocation();
  const gate = allocation.gate();
  const config = allocation.config('echo one; read -r _ < "$NOMAD_TASK_DIR/gate"; seq 1 300000');
  await startTask(agent, config);
  await eventually(() => expect(textOf(allocation)).toBe("one\n"));
  const [logger = 0, ...others] = loggersOf(allocation);
  expect(others).toEqual([]);
  process.kill(logger, "SIGKILL");
  gate();
  expect(await waitTask(agent, config)).toMatchObject({ exitCode: 0 });
  expect(textOf(allocation)).toBe(`one\n${numbered(1, 300_000)}`);
  expect(await dataOf("loggerReplaced", config)).toMatchObject({ logger: { pid: expect.any(Number) } });
});

describe("output that does not fit onto the disk", () => {
  const lossesOf = async ({ id }: { readonly id: string }) =>
    (await eventsOf(agent.stateDir, id)).filter(({ type }) => type === "outputLost").map(({ data }) => data);
  /** Bytes that a file has of those that were written. */
  const keptOf = (allocation: Allocation, stream: "stdout" | "stderr") =>
    statSync(`${folderOf(allocation)}/main.${stream}.0`).size;

  test("is told while the task runs, also if it is standard error alone", async () => {
    const allocation = makeAllocation({ dataDir: smallFileSystem("2m") });
    const gate = allocation.gate();
    const { config } = await startedTask(
      agent,
      `head -c ${4 * MiB} /dev/zero >&2; read -r _ < "$NOMAD_TASK_DIR/gate"`,
      allocation,
    );
    // All of it has been read once the figures add up.
    const lost = () => ({ stdout: 0, stderr: 4 * MiB - keptOf(allocation, "stderr"), errno: "ENOSPC" });
    await eventually(async () => expect((await lossesOf(config)).at(-1)).toEqual(lost()));
    gate();
    expect(await waitTask(agent, config)).toMatchObject({ exitCode: 0 });
    expect((await lossesOf(config)).at(-1)).toEqual(lost());
  });

  test("before and after its logger was replaced is told in one sum", async () => {
    const allocation = makeAllocation({ dataDir: smallFileSystem("2m") });
    const gate = allocation.gate();
    const write = `head -c ${3 * MiB} /dev/zero`;
    const { config } = await startedTask(
      agent,
      `${write}; read -r _ < "$NOMAD_TASK_DIR/gate"; ${write}`,
      allocation,
    );
    const lostOf = (written: number) => ({
      ...{ stdout: written - keptOf(allocation, "stdout"), stderr: 0, errno: "ENOSPC" },
    });
    await eventually(async () => expect((await lossesOf(config)).at(-1)).toEqual(lostOf(3 * MiB)));
    killLoggers(folderOf(allocation));
    await eventually(async () => expect(await dataOf("loggerReplaced", config)).toBeDefined());
    gate();
    expect(await waitTask(agent, config)).toMatchObject({ exitCode: 0 });
    expect((await lossesOf(config)).at(-1)).toEqual(lostOf(6 * MiB));
  });
});

test("output that comes faster than log_rate waits, is told once, and is complete", async () => {
  const slow = await startAgent({ options: { ...options, log_rate: 4 } });
  const allocation = makeAllocation();
  const config = allocation.config(`head -c ${24 * MiB} /dev/zero`);
  expect(await runTask(slow, config)).toMatchObject({ exitCode: 0 });
  expect(readLog(logOf(allocation))).toHaveLength(24 * MiB);
  const waits = (await eventsOf(slow.stateDir, config.id)).filter(({ type }) => type === "outputWaits");
  expect(waits.map(({ data }) => data)).toEqual([{ waits: true, bytesPerSecond: 4 * MiB }]);
  expect((await call(["why", config.id, "--state-dir", slow.stateDir])).stdout).toContain(
    "Its output came faster than log_rate, 4 MiB a second, and waited",
  );
});

describe("one task whose job has its logs disabled", () => {
  const asks = { command: "echo", args: ["kept"], log_collection: "driver" };

  test("has log files if it asks the driver for them, where the agent collects", async () => {
    const collecting = await startAgent();
    const allocation = makeAllocation();
    expect(await runTask(collecting, allocation.config(asks, noCollector))).toMatchObject({ exitCode: 0 });
    expect(textOf(allocation)).toBe("kept\n");
  });

  test("has none otherwise", async () => {
    const allocation = makeAllocation();
    expect(await runTask(agent, allocation.config("echo lost", noCollector))).toMatchObject({ exitCode: 0 });
    expect(readdirSync(folderOf(allocation))).toEqual([]);
  });
});
