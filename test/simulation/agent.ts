/**
 * Simulated agents. They do what a Nomad client does with its plugin and its tasks: they start the next plugin
 * when one dies, send an unanswered start once more, recover tasks by their handles and wait again. An agent may
 * die itself; the next one knows only what the first one had on its disk.
 */

import { DriverError } from "../../src/base/errors.ts";
import { type TaskId, toTaskId } from "../../src/base/taskId.ts";
import type { Driver } from "../../src/driver/driver.ts";
import { parsePluginOptions } from "../../src/driver/options/pluginOptions.ts";
import type { TaskRequest } from "../../src/effects/launch/taskRequest.ts";
import { parseTaskOptions } from "../../src/effects/parts.ts";
import type { Checks } from "./checks.ts";
import { changedLists, type Egress, egressDenied, egressOptions } from "./egress.ts";
import type { Kernel } from "./kernel.ts";
import type { PendingCall, PluginProcess } from "./pluginProcess.ts";
import type { Life } from "./scheduler.ts";

/** Called in the step in which a plugin answers. */
type Check<T> = (plugin: PluginProcess, answer: T) => void;

/** The plugin died before it answered. */
class PluginDied extends Error {}

/** The agent no longer waits for the answer. */
class Cancelled extends Error {}

/** What an agent does with a run besides waiting for its end. */
export type Action = "waits" | "stops" | "signals" | "destroys" | "inspects" | "executes" | "changes";

export interface Job {
  readonly alloc: string;
  readonly user: string;
  readonly runs: number;
  /** Whether its task has a stop command. */
  readonly hasStopCommand: boolean;
  /** Whether the driver writes its log files. */
  readonly hasLogs: boolean;
  /** Whether its task may connect only where a list says. */
  readonly hasEgress: boolean;
  /** Whether the agent cancels calls now and then. */
  readonly cancels: boolean;
  /** Draws what the agent does with the next run. */
  nextAction(): Action;
}

/** What an agent has on its disk: it survives the agent. */
export interface Disk {
  readonly jobs: Map<Job, JobOnDisk>;
}

interface Handle {
  readonly taskId: TaskId;
  readonly driverState: Uint8Array;
}

interface JobOnDisk {
  /** Number of started runs that are over. */
  over: number;
  handle: Handle | undefined;
  user: string;
}

export interface AgentWorld {
  readonly kernel: Kernel;
  readonly checks: Checks;
  readonly disk: Disk;
  /** Whether an error with this text is expected: it names an errno, and the host has failed some call. */
  readonly tolerates: (text: string) => boolean;
  /** Whether there is something that no task reaches. */
  readonly limitsEgress: boolean;
  readonly egress: Pick<Egress, "changes">;
  launchPlugin(): PluginProcess;
  newTaskId(alloc: string): TaskId;
}

export class Agent {
  readonly life: Life;
  /** Resolves no promise: how many jobs are still being worked on. */
  busy = 0;
  /** Called once the next plugin is launched. */
  #onLaunch: (() => void)[] = [];
  /** What each unfinished piece of work waits for. */
  readonly doing = new Map<string, string>();
  readonly #world: AgentWorld;
  #plugin: PluginProcess;
  /** Resolves once the plugin is configured. */
  #ready: Promise<unknown>;
  /** Recoveries by the plugin that got them. */
  #recoveries = new Map<TaskId, Promise<void>>();

  /** @param plugin of an earlier agent that still runs; else a new one is launched */
  constructor(life: Life, world: AgentWorld, plugin?: PluginProcess) {
    this.life = life;
    this.#world = world;
    this.#plugin = plugin ?? world.launchPlugin();
    this.#ready = plugin === undefined ? this.#configure() : Promise.resolve();
    this.isReady = plugin !== undefined;
  }

  /** Whether the plugin is configured. */
  isReady = false;

  get plugin(): PluginProcess {
    return this.#plugin;
  }

  begin(jobs: readonly Job[]): void {
    for (const job of jobs) {
      this.busy += 1;
      void this.#work(job).then(
        () => {
          this.busy -= 1;
        },
        (thrown: unknown) => this.#world.checks.fail(`the agent fails: ${(thrown as Error).stack}`),
      );
    }
  }

  /** To be called when the plugin has died: breaks its calls, and launches the next one. */
  pluginDied(plugin: PluginProcess): void {
    const { scheduler } = this.#world.kernel;
    for (const call of plugin.pending)
      scheduler.in(scheduler.latency(), this.life, `${call.what} breaks`, call.broken);
    if (plugin !== this.#plugin) return;
    this.#recoveries = new Map();
    this.#plugin = this.#world.launchPlugin();
    this.#ready = this.#configure();
    for (const launched of this.#onLaunch.splice(0)) launched();
  }

  async shutdown(): Promise<void> {
    await this.#call("Shutdown", (driver) => driver.shutdown());
  }

  #configure(): Promise<void> {
    const configured = this.#send("SetConfig", (driver) =>
      driver.configure(this.#world.limitsEgress ? limitingOptions : pluginOptions, topology),
    );
    const plugin = this.#plugin;
    this.isReady = false;
    configured.then(
      () => {
        if (plugin === this.#plugin) this.isReady = true;
      },
      (thrown: unknown) => {
        if (!(thrown instanceof PluginDied)) this.#world.checks.fail(`SetConfig fails: ${textOf(thrown)}`);
      },
    );
    return configured;
  }

  async #work(job: Job): Promise<void> {
    const { disk } = this.#world;
    const known = disk.jobs.get(job) ?? { over: 0, handle: undefined, user: job.user };
    disk.jobs.set(job, known);
    while (known.over < job.runs || known.handle !== undefined) {
      if (known.handle === undefined) {
        await this.#start(job, known);
        continue;
      }
      await this.#follow(job, known, known.handle);
    }
  }

  /** Starts a run. If the plugin dies during the start, the next one gets the same request, once. */
  async #start(job: Job, known: JobOnDisk): Promise<void> {
    const { kernel, checks } = this.#world;
    const taskId = this.#world.newTaskId(job.alloc);
    const request = requestOf(taskId, { ...job, user: known.user });
    kernel.makeCgroup(request.resources.cgroup);
    for (let attempt = 1; attempt <= 2; attempt++) {
      try {
        const plugin = this.#plugin;
        const started = await this.#call(
          `StartTask ${taskId}`,
          (driver, signal) => driver.startTask(request, signal),
          ({ isSaved }) => checks.answersStart(taskId, isSaved),
          this.#cancelAfter(job, 5, 300),
        );
        checks.started(taskId);
        known.handle = { taskId, driverState: started.driverState };
        if (plugin === this.#plugin) this.#recoveries.set(taskId, Promise.resolve());
        return;
      } catch (thrown) {
        if (thrown instanceof PluginDied) {
          await this.#nextPlugin();
          continue;
        }
        if (thrown instanceof Cancelled) break;
        if (!this.#world.tolerates(textOf(thrown)))
          checks.fail(`${taskId}: StartTask fails: ${textOf(thrown)}`);
        // An earlier plugin may have started the task, and the host does not let this one look for it. The next
        // start of the task ends it.
        const couldLook = !/cannot work yet|cannot be read/.test(textOf(thrown));
        if (couldLook && !checks.isGone(taskId))
          checks.fail(`${taskId}: StartTask fails and leaves processes: ${textOf(thrown)}`);
        break;
      }
    }
    // The client removes the cgroup of a start that came to nothing. It tries again later, with another id.
    checks.forgotten(taskId);
    kernel.endCgroupAsAgent(request.resources.cgroup);
    await this.#sleep(50 + kernel.scheduler.random.below(1_000));
  }

  /** Waits for a run's end, and does with it what the plan says. */
  async #follow(job: Job, known: JobOnDisk, handle: Handle): Promise<void> {
    const { checks, kernel } = this.#world;
    const { taskId } = handle;
    const wait = { over: false };
    const ended = this.#insist(
      handle,
      `WaitTask ${taskId}`,
      (driver, signal) => driver.waitTask(taskId, signal),
      ({ isSaved, life }, exit) => {
        checks.answersEnd(taskId, exit, isSaved, life);
        checks.answersWait(taskId, life);
        if (!checks.isGone(taskId))
          checks.fail(`${taskId}: its end is told, but its processes are in its cgroup`);
      },
      () => this.#cancelAfter(job, 20, 3_000),
    ).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    void ended.then(() => {
      wait.over = true;
    });
    const acted = this.#act(job.nextAction(), handle, wait);
    const error = await ended;
    await acted;
    const destroyed =
      codeOf(error) === "TASK_NOT_FOUND" || (codeOf(error) === "TASK_LOST" && checks.isLost(taskId));
    if (error !== undefined && !destroyed && !this.#world.tolerates(textOf(error)))
      checks.fail(`${taskId}: it cannot be recovered or waited for: ${textOf(error)}`);
    checks.asks(taskId);
    await this.#destroy(taskId);
    kernel.endCgroupAsAgent(cgroupOf(job.alloc));
    known.handle = undefined;
    known.over += 1;
  }

  async #destroy(taskId: TaskId): Promise<void> {
    for (;;) {
      try {
        await this.#call(
          `DestroyTask ${taskId}`,
          (driver) => driver.destroyTask(taskId, true),
          () => this.#world.checks.answersDestroyed(taskId),
        );
        return;
      } catch (thrown) {
        if (thrown instanceof PluginDied) {
          await this.#nextPlugin();
          continue;
        }
        if (!this.#world.tolerates(textOf(thrown)))
          this.#world.checks.fail(`${taskId}: DestroyTask fails: ${textOf(thrown)}`);
        await this.#sleep(1_000);
      }
    }
  }

  async #act(action: Action, handle: Handle, wait: { readonly over: boolean }): Promise<void> {
    const { kernel } = this.#world;
    const { taskId } = handle;
    const { random } = kernel.scheduler;
    await this.#sleep(random.chance(50) ? random.below(20) : random.below(3_000));
    if (wait.over) return;
    await this.#tryTo(action, handle);
    // A task that never ends by itself is stopped in the end.
    while (kernel.programOf(taskId).endsAfter === undefined && !wait.over) {
      await this.#sleep(random.below(5_000));
      if (!wait.over && (await this.#tryTo("stops", handle))) return;
    }
  }

  /** @returns whether the plugin did it */
  async #tryTo(action: Action, handle: Handle): Promise<boolean> {
    try {
      await this.#ask(action, handle);
      return true;
    } catch (thrown) {
      const { checks, tolerates } = this.#world;
      const isOver =
        codeOf(thrown) === "TASK_NOT_FOUND" ||
        codeOf(thrown) === "TASK_NOT_RUNNING" ||
        (codeOf(thrown) === "TASK_LOST" && checks.isLost(handle.taskId));
      if (!isOver && !tolerates(textOf(thrown)))
        checks.fail(`${handle.taskId}: an action fails: ${textOf(thrown)}`);
      return isOver;
    }
  }

  async #ask(action: Action, handle: Handle): Promise<void> {
    const { checks, kernel } = this.#world;
    const { taskId } = handle;
    const { random } = kernel.scheduler;
    switch (action) {
      case "waits":
        return;
      case "inspects":
        await this.#insist(
          handle,
          `InspectTask ${taskId}`,
          (driver) => driver.inspectTask(taskId),
          ({ isSaved, life }, status) => {
            checks.answersState(taskId, status.attributes.state, isSaved);
            if (status.exit !== undefined) checks.answersEnd(taskId, status.exit, isSaved, life);
          },
        );
        return;
      case "executes":
        await this.#execute(handle);
        return;
      case "changes":
        for (let changes = 1 + random.below(4); changes > 0; changes -= 1) {
          await this.#changeEgress(handle);
          await this.#sleep(random.below(200));
        }
        return;
      case "signals":
        checks.asks(taskId);
        await this.#insist(handle, `SignalTask ${taskId}`, (driver) => driver.signalTask(taskId, "SIGUSR1"));
        return;
      case "stops":
        checks.asks(taskId);
        await this.#insist(handle, `StopTask ${taskId}`, (driver) =>
          driver.stopTask(taskId, random.below(500), "SIGTERM"),
        );
        if (!checks.isGone(taskId))
          checks.fail(`${taskId}: StopTask is answered, but its processes are there`);
        return;
      case "destroys":
        checks.asks(taskId);
        await this.#destroy(taskId);
    }
  }

  /** An operator changes where the task may connect, and asks again if the plugin dies meanwhile. */
  async #changeEgress(handle: Handle): Promise<void> {
    const { egress, kernel, limitsEgress } = this.#world;
    const { taskId } = handle;
    const list = kernel.scheduler.random.pick(changedLists);
    if (!limitsEgress) return;
    egress.changes(taskId, list, false);
    await this.#insist(
      handle,
      `ChangeEgress ${taskId}`,
      (driver) => driver.changeEgress(taskId, { set: list, add: [], remove: [] }, { by: "root", reason: "" }),
      () => egress.changes(taskId, list, true),
    ).catch((thrown: unknown) => {
      // The task has no list of its own.
      if (codeOf(thrown) !== "UNSUPPORTED") throw thrown;
    });
  }

  /** Runs a command, as a script check does. It dies with its plugin. */
  async #execute(handle: Handle): Promise<void> {
    const { checks, kernel } = this.#world;
    const { random } = kernel.scheduler;
    const { taskId } = handle;
    const timeoutMs = random.pick([0, 20, 1_000]);
    try {
      await this.#recovered(handle);
      await this.#call(
        `ExecTask ${taskId}`,
        (driver, signal) => driver.execTask(taskId, { command: ["check"], timeoutMs }, signal),
        ({ isSaved, life }, { exit }) => checks.answersCommand(taskId, life, exit, isSaved),
        random.chance(30) ? random.below(1_000) : undefined,
      );
    } catch (thrown) {
      if (thrown instanceof PluginDied || thrown instanceof Cancelled) return;
      const code = codeOf(thrown);
      if (code === "EXEC_TIMED_OUT") {
        if (timeoutMs === 0) checks.fail(`${taskId}: a command without a timeout timed out`);
      } else if (code !== "LAUNCH_FAILED" || !checks.isEnding(taskId)) throw thrown;
    }
  }

  /** Milliseconds until the agent cancels a call, in some percent of the calls. */
  #cancelAfter({ cancels }: Job, percent: number, withinMs: number): number | undefined {
    const { random } = this.#world.kernel.scheduler;
    return cancels && random.chance(percent) ? random.below(withinMs) : undefined;
  }

  /** Calls the plugin again and again until one answers. Recovers the task in each new plugin first. */
  async #insist<T>(
    handle: Handle,
    what: string,
    call: (driver: Driver, signal: AbortSignal) => Promise<T>,
    check?: Check<T>,
    cancelAfter: () => number | undefined = () => undefined,
  ): Promise<T> {
    for (;;) {
      try {
        await this.#recovered(handle);
        return await this.#call(what, call, check, cancelAfter());
      } catch (thrown) {
        if (thrown instanceof Cancelled) continue;
        if (!(thrown instanceof PluginDied)) throw thrown;
        await this.#nextPlugin();
      }
    }
  }

  /** Resolves at once if the next plugin is launched already. */
  async #nextPlugin(): Promise<void> {
    if (this.#plugin.life.dead) await new Promise<void>((resolve) => this.#onLaunch.push(resolve));
  }

  #recovered(handle: Handle): Promise<void> {
    const { taskId, driverState } = handle;
    const known = this.#recoveries.get(taskId);
    if (known !== undefined) return known;
    // After a restart of the agent, its handles have no options any more.
    const request = {
      ...requestOf(taskId, { alloc: taskId.split("/")[0] as string, user: "" }),
      options: undefined,
    };
    const recovery = this.#call(
      `RecoverTask ${taskId}`,
      (driver) => driver.recoverTask({ taskId, driverState, request }, noLogs),
      ({ life }) => this.#world.checks.answersRecovery(taskId, life),
    );
    recovery.catch(() => undefined);
    this.#recoveries.set(taskId, recovery);
    return recovery;
  }

  /** Calls the plugin once it is configured. @param check called in the step in which the plugin answers */
  async #call<T>(
    what: string,
    call: (driver: Driver, signal: AbortSignal) => Promise<T>,
    check?: Check<T>,
    cancelMs?: number,
  ): Promise<T> {
    this.doing.set(what, "waits for SetConfig");
    const plugin = this.#plugin;
    try {
      await this.#ready;
    } finally {
      this.doing.delete(what);
    }
    if (plugin !== this.#plugin) throw new PluginDied();
    return this.#send(what, call, check, cancelMs);
  }

  /**
   * Sends a call to the plugin. The call and its answer are messages, which take some time.
   * @param cancelMs milliseconds until the agent no longer waits for the answer
   */
  #send<T>(
    what: string,
    call: (driver: Driver, signal: AbortSignal) => Promise<T>,
    check?: Check<T>,
    cancelMs?: number,
  ): Promise<T> {
    const { scheduler } = this.#world.kernel;
    const plugin = this.#plugin;
    const { life } = this;
    let cancelled = false;
    this.doing.set(what, `sent to plugin ${plugin.number}`);
    return new Promise<T>((resolve, reject) => {
      const controller = new AbortController();
      const broken = () => {
        this.doing.delete(what);
        reject(new PluginDied());
      };
      const answer = (text: string, deliver: () => void) => {
        if (plugin.life.dead || cancelled) return;
        plugin.pending.delete(pending);
        scheduler.note(`  ${what} is answered: ${text}`);
        scheduler.in(scheduler.latency(), life, `gets the answer to ${what}`, () => {
          this.doing.delete(what);
          deliver();
        });
      };
      // A new process takes this long to its first call.
      const launchMs = what === "SetConfig" ? 100 + scheduler.random.below(100) : 0;
      const deliver = () => {
        call(plugin.driver, controller.signal).then(
          (value) => {
            if (!plugin.life.dead && !cancelled) check?.(plugin, value);
            answer(shortText(value), () => resolve(value));
          },
          (thrown: unknown) => answer(textOf(thrown), () => reject(thrown)),
        );
      };
      const delayMs = launchMs + scheduler.latency();
      const message = scheduler.in(delayMs, plugin.life, `gets ${what}`, deliver);
      const pending: PendingCall = { what, message, controller, broken };
      plugin.pending.add(pending);
      if (cancelMs !== undefined)
        scheduler.in(cancelMs, life, `cancels ${what}`, () => {
          if (!plugin.pending.delete(pending)) return;
          cancelled = true;
          this.doing.delete(what);
          // The plugin reads the call before it reads that the call is cancelled, and later calls after that.
          const isRead = message.over;
          message.over = true;
          scheduler.in(0.001, plugin.life, `learns that ${what} is cancelled`, () => {
            if (!isRead) deliver();
            controller.abort(new Error("the call is cancelled"));
          });
          reject(new Cancelled());
        });
      if (plugin.life.dead) scheduler.in(scheduler.latency(), life, `${what} breaks`, broken);
    });
  }

  #sleep(ms: number): Promise<void> {
    const { scheduler } = this.#world.kernel;
    return new Promise((resolve) => void scheduler.in(ms, this.life, `waits ${ms} ms`, resolve));
  }
}

const topology = { cores: [], overrideTotalMhz: 4_000 };
const noLogs = { stdoutPath: "/dev/null", stderrPath: "/dev/null", allocDir: "/alloc" };

function requestOf(
  taskId: TaskId,
  {
    alloc,
    user,
    hasStopCommand = false,
    hasLogs = false,
    hasEgress = false,
  }: Pick<Job, "alloc" | "user"> & Partial<Pick<Job, "hasStopCommand" | "hasLogs" | "hasEgress">>,
): TaskRequest {
  const allocDir = allocDirOf(alloc);
  return {
    taskId,
    taskName: "main",
    allocId: alloc,
    groupName: "group",
    allocIndex: null,
    jobId: "job",
    jobName: "job",
    namespace: "default",
    nodeId: "node",
    nodeName: "node",
    options: optionsOf(hasStopCommand, hasEgress),
    env: { SECRET: "hidden" },
    user,
    allocDir,
    stdoutPath: hasLogs ? `${allocDir}/logs/.main.stdout.fifo` : "/dev/null",
    stderrPath: hasLogs ? `${allocDir}/logs/.main.stderr.fifo` : "/dev/null",
    output: hasLogs ? { to: "files", bounds: { maxFiles: 3, maxFileBytes: 10_000_000 } } : { to: "agent" },
    resources: { cpuMhz: 100, memoryMb: 0, memoryMaxMb: 0, cpusetCpus: "", cgroup: cgroupOf(alloc) },
    network: { mode: "host", path: "", self: undefined },
    mounts: [],
    devices: [],
    dns: undefined,
  };
}

/** The options of every simulated plugin. */
const given = { state_dir: "/state", usage_interval: "0" };
const pluginOptions = parsePluginOptions(given);
const limitingOptions = parsePluginOptions({ ...given, egress_denied: egressDenied });

function optionsOf(hasStopCommand: boolean, hasEgress: boolean): TaskRequest["options"] {
  const stop = hasStopCommand ? { stop_command: ["stop"] } : {};
  const options = { command: "program", ...stop, ...(hasEgress ? egressOptions : {}) };
  const key = JSON.stringify(options);
  const known = parsedOptions.get(key) ?? parseTaskOptions(options, pluginOptions);
  parsedOptions.set(key, known);
  return known;
}

const parsedOptions = new Map<string, TaskRequest["options"]>();

/** The folder of an allocation. */
export function allocDirOf(alloc: string): string {
  return `/alloc/${alloc}`;
}

function cgroupOf(alloc: string): string {
  return `/sys/fs/cgroup/nomad.slice/${alloc}.main.scope`;
}

function shortText(answer: unknown): string {
  return answer instanceof Object && "driverState" in answer ? "started" : (JSON.stringify(answer) ?? "done");
}

function codeOf(thrown: unknown): string | undefined {
  return thrown instanceof DriverError ? thrown.code : undefined;
}

function textOf(thrown: unknown): string {
  return thrown instanceof DriverError ? `${thrown.code}: ${thrown.message}` : String(thrown);
}

/** A task's id with this number. */
export function taskIdOf(alloc: string, number: number): TaskId {
  return toTaskId(`${alloc}/main/${number.toString(16).padStart(8, "0")}`);
}
