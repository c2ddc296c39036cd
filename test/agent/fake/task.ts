/** One allocation with one task, as a client runs it with the driver. */
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { mkdir, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { findCgroup2Mount } from "../../../src/effects/cgroup/cgroup.ts";
import { readNodeTopology } from "../../../src/effects/cgroup/nodeCores.ts";
import { durationOf } from "../../../src/grpc/convert/time.ts";
import { type ExitResult, TaskConfig, TaskHandle } from "../../../src/grpc/generated/nomad/driver.ts";
import type { PluginConnection } from "../../../src/grpc/pluginClient.ts";
import { errorOfCall } from "../../../src/grpc/status.ts";
import { makeAllocation } from "../../../src/localAgent/allocation/allocation.ts";
import type { Task } from "../../../src/localAgent/jobspec/job.ts";
import { jobFile, throwCollected } from "../../../src/localAgent/jobspec/jobFile.ts";
import { readJobFile } from "../../../src/localAgent/jobspec/readJob.ts";
import type { DriverFacts } from "../../../src/localAgent/plugin/pluginSession.ts";
import { placeTask } from "../../../src/localAgent/task/prepareTask.ts";
import type { Json } from "../../support/nomad/fakeNomad.ts";
import type { ToServer } from "./messages.ts";

/** The connection to the plugin, which another plugin replaces when it has died. */
export interface PluginHolder {
  readonly plugin: PluginConnection;
  /** Resolves with the driver's answers about itself. */
  facts(): Promise<DriverFacts>;
  /** Resolves when there is a plugin that answers, after a call has failed for lack of one. */
  again(): Promise<void>;
  readonly defect: string | undefined;
}

/** What a client keeps of a task on its disk. */
interface Kept {
  readonly key: string;
  readonly hcl: string;
  readonly id: string;
  readonly message: string;
  readonly handle: string | undefined;
  readonly events: readonly Json[];
  readonly restarts: number;
  readonly isDone: boolean;
  readonly status: Status;
  readonly isFailed: boolean;
}

type Status = "pending" | "running" | "complete" | "failed";

export class FakeTask {
  readonly key: string;
  readonly #hcl: string;
  readonly #folder: string;
  readonly #holder: PluginHolder;
  readonly #tell: (message: ToServer) => void;
  #id = "";
  #task: Task | undefined;
  #message: TaskConfig | undefined;
  #handle: TaskHandle | undefined;
  #events: Json[] = [];
  #restarts = 0;
  #status: Status = "pending";
  #isFailed = false;
  #isDone = false;
  #isStopping = false;
  #isRestarting = false;

  constructor(
    holder: PluginHolder,
    folder: string,
    input: { readonly key: string; readonly hcl: string },
    tell: (message: ToServer) => void,
  ) {
    this.#holder = holder;
    this.#folder = folder;
    this.key = input.key;
    this.#hcl = input.hcl;
    this.#tell = tell;
  }

  /** A task that the client before this one has kept. */
  static recover(holder: PluginHolder, folder: string, file: string, tell: (message: ToServer) => void) {
    const kept = JSON.parse(readFileSync(join(folder, "kept", file), "utf8")) as Kept;
    const task = new FakeTask(holder, folder, kept, tell);
    task.#id = kept.id;
    task.#message = TaskConfig.decode(Buffer.from(kept.message, "base64"));
    task.#handle =
      kept.handle === undefined ? undefined : TaskHandle.decode(Buffer.from(kept.handle, "base64"));
    task.#events = [...kept.events];
    task.#restarts = kept.restarts;
    task.#status = kept.status;
    task.#isFailed = kept.isFailed;
    task.#isDone = kept.isDone;
    return task;
  }

  get id(): string {
    return this.#id;
  }

  get isDone(): boolean {
    return this.#isDone;
  }

  /** Id of the present run. */
  get taskId(): string {
    return this.#message?.id ?? "";
  }

  get allocDir(): string {
    return this.#message?.allocDir ?? "";
  }

  /** Runs the task to its last end, from the beginning or from where the client before was. */
  async run(): Promise<void> {
    try {
      if (this.#handle === undefined) await this.#prepare();
      else await this.#recoverHandle();
      while (await this.#once());
    } catch (thrown) {
      this.#event("Driver Failure", thrown instanceof Error ? thrown.message : String(thrown));
      this.#isFailed = true;
      this.#status = "failed";
    }
    this.#isDone = true;
    this.#report();
    if (this.#message) await rmdir(cgroupOf(this.#id)).catch(() => undefined);
  }

  async stop(): Promise<void> {
    if (this.#isDone || this.#isStopping) return;
    this.#isStopping = true;
    this.#event("Killing", "Sent interrupt");
    await this.#stopRun();
  }

  async restart(): Promise<void> {
    this.#isRestarting = true;
    this.#event("Restart Signaled", "User requested task to restart");
    await this.#stopRun();
  }

  report(): void {
    this.#report();
  }

  async #prepare(): Promise<void> {
    const file = jobFile("job", this.#hcl);
    const job = await readJobFile(file, { given: {}, environment: {} });
    throwCollected(file);
    const [group] = job?.groups ?? [];
    if (job === undefined || group === undefined) throw new Error("there is no group");
    const allocation = await makeAllocation(this.#folder, { ...group, count: 1 });
    this.#id = allocation.id;
    this.#event("Received", "Task received by client");
    this.#event("Task Setup", "Building Task Directory");
    const [task] = group.tasks;
    this.#task = task;
    const placement = { file, job, topology: readNodeTopology(), dynamicUserIds: "80000-89999" };
    const message = await placeTask(placement, await this.#holder.facts(), allocation, task as Task);
    const cgroup = cgroupOf(this.#id);
    await mkdir(cgroup, { recursive: true });
    const linux = message.resources?.linuxResources;
    if (linux) linux.cpusetCgroup = cgroup;
    this.#message = message;
  }

  /** Names the task only by its handle, whose config lacks the driver's options after a restart of the client. */
  async #recoverHandle(): Promise<void> {
    if (this.#handle?.config) this.#handle.config.msgpackDriverConfig = Buffer.alloc(0);
    await this.#holder.plugin.driver.recoverTask({ taskId: "", handle: this.#handle });
  }

  /** One run of the task. @returns whether there is another one */
  async #once(): Promise<boolean> {
    const { driver } = this.#holder.plugin;
    if (this.#handle === undefined) {
      try {
        const { handle } = await driver.startTask({ task: this.#message });
        this.#handle = handle;
      } catch (thrown) {
        throw errorOfCall(thrown);
      }
      this.#status = "running";
      this.#event("Started", "Task started by client");
    }
    const { exitCode = 0, signal = 0 } = (await this.#wait()) ?? {};
    this.#handle = undefined;
    const code = this.#holder.defect === "exit codes" ? 0 : exitCode;
    this.#event("Terminated", `Exit Code: ${code}`, { ExitCode: code, Signal: signal });
    const isGood = code === 0 && signal === 0;
    const again = this.#isRestarting || (!isGood && !this.#isStopping && this.#hasRestart());
    if (!again) {
      this.#isFailed = !isGood && !this.#isStopping;
      this.#status = this.#isFailed ? "failed" : "complete";
      return false;
    }
    this.#isRestarting = false;
    this.#event("Restarting", "Task restarting in 0s");
    const { message } = this;
    this.#message = { ...message, id: message.id.replace(/[^/]+$/, Math.random().toString(16).slice(2, 10)) };
    return true;
  }

  private get message(): TaskConfig {
    if (this.#message === undefined) throw new Error("the task is not prepared");
    return this.#message;
  }

  #hasRestart(): boolean {
    this.#restarts += 1;
    return this.#restarts <= Number(/attempts = (\d+)\n +interval/.exec(this.#hcl)?.[1]);
  }

  /** Waits for the end of the present run, with one plugin after another. */
  async #wait(): Promise<ExitResult | undefined> {
    for (;;) {
      const { driver } = this.#holder.plugin;
      try {
        const { result } = await driver.waitTask({ taskId: this.taskId });
        await driver.destroyTask({ taskId: this.taskId, force: true });
        return result;
      } catch {
        await this.#holder.again();
        await this.#holder.plugin.driver.recoverTask({ taskId: "", handle: this.#handle });
      }
    }
  }

  async #stopRun(): Promise<void> {
    const signal = /kill_signal = "(\w+)"/.exec(this.#hcl)?.[1] ?? this.#task?.killSignal ?? "";
    const seconds = Number(/kill_timeout = "(\d+)s"/.exec(this.#hcl)?.[1] ?? 5);
    const request = { taskId: this.taskId, timeout: durationOf(seconds * 1_000), signal };
    await this.#holder.plugin.driver.stopTask(request).catch(() => undefined);
  }

  #event(Type: string, DisplayMessage: string, more: Json = {}): void {
    const Time = Date.now() * 1e6;
    this.#events = [
      ...this.#events,
      { Type, Time, DisplayMessage, Details: {}, ExitCode: 0, Signal: 0, ...more },
    ];
    // Clients keep the last ten.
    this.#events = this.#events.slice(-10);
    this.#report();
  }

  #report(): void {
    if (this.#id === "") return;
    this.#keep();
    const State = this.#isDone ? "dead" : this.#status === "pending" ? "pending" : "running";
    const task = { State, Failed: this.#isFailed, Restarts: this.#restarts, Events: this.#events };
    const status = this.#isDone ? this.#status : this.#status === "pending" ? "pending" : "running";
    this.#tell({ kind: "allocation", key: this.key, id: this.#id, status, task });
  }

  #keep(): void {
    const file = join(this.#folder, "kept", `${this.#id}.json`);
    if (this.#isDone && existsSync(file)) rmSync(file);
    if (this.#isDone || this.#message === undefined) return;
    const kept: Kept = {
      ...{ key: this.key, hcl: this.#hcl, id: this.#id, events: this.#events, restarts: this.#restarts },
      ...{ status: this.#status, isFailed: this.#isFailed, isDone: this.#isDone },
      message: Buffer.from(TaskConfig.encode(this.#message).finish()).toString("base64"),
      handle: this.#handle && Buffer.from(TaskHandle.encode(this.#handle).finish()).toString("base64"),
    };
    writeFileSync(file, JSON.stringify(kept));
  }
}

function cgroupOf(allocation: string): string {
  return join(findCgroup2Mount() ?? "", "nomad.slice/share.slice", `${allocation}.t.scope`);
}
