/**
 * What a release leaves on a host: its state folder, with a task that runs and tasks of every kind of end, the agent's
 * handles of them, and what its verbs say. `node test/releases/record.ts EXECUTABLE [FOLDER]` keeps it in
 * test/fixtures/releases/VERSION. Needs root.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { TaskHandle } from "../../src/grpc/generated/nomad/driver.ts";
import { type Agent, startAgent, startTask } from "../support/agent/agent.ts";
import { Allocation } from "../support/agent/allocation.ts";
import { finishFile } from "../support/fileEnd.ts";

interface Recorded {
  readonly script: string;
  readonly options?: Readonly<Record<string, unknown>>;
  /** What the agent does once the script says that it is ready. Otherwise it waits for the end. */
  readonly ready?: "stops" | "leaves";
  readonly isDestroyed?: boolean;
  /** Its result, or its state while it runs, as `ps --json` says. */
  readonly result: string;
}

/** The tasks of a recording by their names, which are their jobs', too. */
export const recordedTasks: Readonly<Record<string, Recorded>> = {
  good: { script: "echo out; echo err >&2", isDestroyed: true, result: "completed" },
  failed: { script: "echo no space left on device; exit 7", result: "failed" },
  killed: { script: "kill -SEGV $$", isDestroyed: true, result: "killed" },
  refused: { script: "true", options: { command: "no-such-program" }, result: "never started" },
  stopped: { script: "echo ready; exec sleep 1000", ready: "stops", result: "stopped" },
  running: { script: "echo ready; exec sleep 1000", ready: "leaves", result: "running" },
};

/** What `ps` says of each task of a state folder. */
export function resultsOf(psJson: string): Record<string, string> {
  const rows = psJson
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  return Object.fromEntries(rows.map(({ job, result, state }) => [job, result ?? state]));
}

/**
 * @param folder for the files: `state.tar.gz`, `handles.json` (base64), `bundle.jsonl`, `events.jsonl`
 * @throws Error if the release does not do what it should
 */
export async function recordRelease(executable: string, folder: string): Promise<void> {
  const agent = await startAgent({ entry: executable, options: { usage_interval: "1s" } });
  const { stateDir } = agent;
  const read = (...args: string[]) =>
    execFileSync(executable, [...args, "--state-dir", stateDir], { encoding: "utf8", maxBuffer: 2 ** 28 });
  const handles: Record<string, string> = {};
  const allocations: Allocation[] = [];
  for (const [name, task] of Object.entries(recordedTasks)) {
    const allocation = new Allocation({ taskName: name });
    allocations.push(allocation);
    const handle = await record(agent, allocation, task);
    if (handle) handles[name] = Buffer.from(TaskHandle.encode(handle).finish()).toString("base64");
  }
  // The first sample of the running task.
  while (!existsSync(join(stateDir, "events/usage"))) await sleep(100);
  const results = resultsOf(read("ps", "--all", "--json"));
  for (const [name, { result }] of Object.entries(recordedTasks))
    if (results[name] !== result) throw new Error(`${name}: ${results[name]}, not ${result}`);
  // Killed, so that nothing changes while its files are read.
  await agent.crash();
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "bundle.jsonl"), read("export", "--all", "--show-args"));
  writeFileSync(join(folder, "events.jsonl"), read("events", "--json"));
  writeFileSync(join(folder, "handles.json"), `${JSON.stringify(handles, null, 2)}\n`);
  const args = ["-C", dirname(stateDir), "--exclude=*.sock", "-czSf", join(folder, "state.tar.gz"), "state"];
  execFileSync("tar", args);
  for (const allocation of allocations) await allocation.remove();
}

async function record(agent: Agent, allocation: Allocation, task: Recorded): Promise<TaskHandle | undefined> {
  const name = allocation.taskName;
  const command = { command: "sh", args: ["-c", task.script], ...task.options };
  const config = allocation.config(command, { jobId: name, jobName: name });
  if (task.result === "never started") {
    await startTask(agent, config).catch(() => undefined);
    return undefined;
  }
  const handle = await startTask(agent, config);
  if (task.ready) await allocation.stdout.contains("ready\n");
  if (task.ready === "leaves") return handle;
  if (task.ready === "stops")
    await agent.driver.stopTask({ taskId: config.id, timeout: { seconds: 5, nanos: 0 }, signal: "SIGTERM" });
  await agent.driver.waitTask({ taskId: config.id });
  if (task.isDestroyed) await agent.driver.destroyTask({ taskId: config.id, force: false });
  return task.isDestroyed ? undefined : handle;
}

if (import.meta.main) {
  const [executable, folder] = process.argv.slice(2);
  if (executable === undefined) throw new Error("node test/releases/record.ts EXECUTABLE [FOLDER]");
  const version = execFileSync(executable, ["version"], { encoding: "utf8" }).match(/\d+\.\d+\.\d+\S*/)?.[0];
  try {
    await recordRelease(
      executable,
      folder ?? join(import.meta.dirname, "../fixtures/releases", version ?? "unknown"),
    );
  } finally {
    await finishFile();
  }
}
