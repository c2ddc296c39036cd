/** A server and a client of one version of Nomad, and the jobs of a case on them. */
import { mkdirSync, realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { agentProblem } from "../../../src/fleet/agentVersions.ts";
import type { AllocationStub, NodeStub, TaskStateStub } from "../../../src/fleet/stubs.ts";
import { nodeStub } from "../../../src/fleet/stubs.ts";
import { until } from "../../support/host/until.ts";
import { AgentApi, type ExecOptions, type ExecResult } from "./agentApi.ts";
import { AgentProcess } from "./agentProcess.ts";
import { allocations, endOf, keys, startsOf, type TaskEnd } from "./answers.ts";
import { configurationOf, ports, type Role } from "./configuration.ts";
import { type ShellJob, shellJob } from "./hcl.ts";
import { pluginOf, shellsOf } from "./processes.ts";

export interface ClusterOptions {
  readonly nomad: string;
  readonly folder: string;
  readonly pluginDir: string;
  /** Folder for the agents' logs. */
  readonly logs: string;
}

export class Cluster {
  readonly client: AgentProcess;
  readonly api: AgentApi;
  readonly #server: AgentProcess;
  readonly #plugin: string;
  #jobs = 0;

  constructor(options: ClusterOptions) {
    const { nomad, folder, pluginDir, logs } = options;
    const agent = (role: Role) => {
      const configuration = join(folder, `${role}.hcl`);
      writeFileSync(configuration, configurationOf(role, options));
      const env = { ...process.env, TMPDIR: folder };
      return new AgentProcess({ nomad, configuration, log: join(logs, `${role}.log`), env });
    };
    mkdirSync(logs, { recursive: true });
    this.#server = agent("server");
    this.client = agent("client");
    this.#plugin = realpathSync(join(pluginDir, "nomad-driver-exec2"));
    const urlOf = (role: Role) => `http://127.0.0.1:${ports[role].http}`;
    this.api = new AgentApi({ server: urlOf("server"), client: urlOf("client") });
  }

  async start(): Promise<void> {
    await this.#server.start();
    // A client that asks before the server has a key waits for up to half a minute.
    await this.api.until(
      "/v1/operator/keyring/keys",
      keys,
      (found) => (found?.length ? true : undefined),
      "a key in the server's keyring",
    );
    await this.client.start();
    await this.node();
  }

  /** The node, once it can run tasks of this driver. */
  async node(): Promise<NodeStub> {
    const { ID } = await this.api.until(
      "/v1/nodes",
      nodeStub.array(),
      (nodes) => nodes.find(({ Status, Drivers }) => Status === "ready" && Drivers?.exec2?.Healthy === true),
      "a node that is ready, with a healthy exec2",
    );
    return this.api.until(`/v1/node/${ID}`, nodeStub, (node) => node, "the node");
  }

  /** Runs a job with one task, a script in a shell: see {@link shellJob}. */
  async run(script: string, options?: ShellJob): Promise<Job> {
    this.#jobs += 1;
    const id = await this.api.register(shellJob(`case-${this.#jobs}`, script, options));
    return new Job(this.api, id);
  }

  /** The plugin's pid. Nothing reports when a client has launched its next plugin. */
  async plugin(): Promise<number> {
    await until(() => pluginOf(this.#plugin) !== undefined, "a plugin of the client");
    return pluginOf(this.#plugin) as number;
  }

  async killPlugin(): Promise<void> {
    process.kill(await this.plugin(), "SIGKILL");
  }

  /** Why cases that restart a task with a dynamic user would end this agent; undefined if they would not. */
  async panics(): Promise<string | undefined> {
    const version = (await this.node()).Attributes?.["nomad.version"] ?? "";
    const problem = agentProblem(version);
    return problem?.what.includes("panics") ? problem.what : undefined;
  }

  close(): void {
    this.api.close();
  }
}

/** A job with one allocation, unless a case says otherwise. */
export class Job {
  readonly id: string;
  readonly #api: AgentApi;

  constructor(api: AgentApi, id: string) {
    this.#api = api;
    this.id = id;
  }

  /** The allocations, once they are as wanted. */
  async allocations(isWanted: (all: AllocationStub[]) => boolean, what: string): Promise<AllocationStub[]> {
    const find = (all: AllocationStub[]) => (isWanted(all) ? all : undefined);
    return this.#api.until(`/v1/job/${this.id}/allocations`, allocations, find, `${what} of ${this.id}`);
  }

  /** Id of the allocation whose task runs, for the nth time. */
  async running(nth = 1): Promise<string> {
    const isRunning = ({ TaskStates }: AllocationStub) =>
      TaskStates?.t?.State === "running" && startsOf(TaskStates.t) >= nth;
    const all = await this.allocations((found) => found.some(isRunning), `start ${nth} of the task`);
    return (all.find(isRunning) as AllocationStub).ID;
  }

  /** The end of the task, after which it is not started again. */
  async ended(): Promise<TaskEnd> {
    return endOf(await this.#state((state) => endOf(state) !== undefined, "end of the task")) as TaskEnd;
  }

  /** The output of the task, once it has a text. */
  async prints(pattern: RegExp): Promise<string> {
    return this.#api.output(await this.allocation(), pattern);
  }

  /** The one shell of the running task: its pid, and a text that names it for good. */
  async shell(): Promise<{ readonly pid: number; readonly identity: string }> {
    const [shell] = shellsOf(await this.running());
    if (shell === undefined) throw new Error(`${this.id} has no shell`);
    return shell;
  }

  async exec(command: readonly string[], options?: ExecOptions): Promise<ExecResult> {
    return this.#api.exec(await this.running(), command, options);
  }

  async signal(signal: string): Promise<void> {
    const path = `/v1/client/allocation/${await this.running()}/signal`;
    await this.#api.post(path, { Signal: signal, Task: "t" }, "client");
  }

  async restart(): Promise<void> {
    const path = `/v1/client/allocation/${await this.running()}/restart`;
    await this.#api.post(path, { TaskName: "t" }, "client");
  }

  async scale(count: number): Promise<void> {
    await this.#api.post(`/v1/job/${this.id}/scale`, { Count: count, Target: { Group: "g" } });
  }

  async stop(): Promise<void> {
    await this.#api.delete(`/v1/job/${this.id}`);
  }

  /** Id of the first allocation. */
  async allocation(): Promise<string> {
    const [first] = await this.allocations((all) => all.length > 0, "an allocation");
    return (first as AllocationStub).ID;
  }

  async #state(isWanted: (state: TaskStateStub) => boolean, what: string): Promise<TaskStateStub> {
    const stateOf = ({ TaskStates }: AllocationStub) => TaskStates?.t;
    const is = (each: AllocationStub) => {
      const state = stateOf(each);
      return state !== undefined && isWanted(state);
    };
    const all = await this.allocations((found) => found.some(is), what);
    return stateOf(all.find(is) as AllocationStub) as TaskStateStub;
  }
}
