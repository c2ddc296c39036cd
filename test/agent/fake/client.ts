/** The fake client: launches the driver, runs allocations, and answers about them. */
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  writeFileSync,
} from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import WebSocket, { WebSocketServer } from "ws";
import { codeToPassOn } from "../../../src/base/taskEnd.ts";
import { readNodeTopology } from "../../../src/effects/cgroup/nodeCores.ts";
import { durationOf } from "../../../src/grpc/convert/time.ts";
import {
  CPUUsage_Fields,
  DriverCapabilities,
  type FingerprintResponse,
  FingerprintResponse_HealthState as Health,
  type TaskStatsResponse,
} from "../../../src/grpc/generated/nomad/driver.ts";
import { encodeMsgpack } from "../../../src/grpc/options.ts";
import { connectPlugin, launchPlugin, type PluginConnection } from "../../../src/grpc/pluginClient.ts";
import {
  attributeSpecs,
  fitPluginOptions,
  pluginOptionsIn,
} from "../../../src/localAgent/files/pluginConfig.ts";
import { jobFile } from "../../../src/localAgent/jobspec/jobFile.ts";
import { topologyMessage } from "../../../src/localAgent/plugin/pluginSession.ts";
import { ExecCall } from "../../support/agent/execCall.ts";
import type { ToClient, ToServer } from "./messages.ts";
import { jsonOf } from "./server.ts";
import { FakeTask, type PluginHolder } from "./task.ts";

export interface ClientOptions {
  readonly http: number;
  /** The configuration's file, with the plugin's block. */
  readonly configuration: string;
  readonly folder: string;
  readonly pluginDir: string;
  /** Port of the fake server. */
  readonly server: number;
  readonly defect: string | undefined;
}

export async function startClient(options: ClientOptions): Promise<void> {
  const client = new FakeClient(options);
  await client.start();
  const listener = createServer((request, response) => void client.answer(request, response));
  const sockets = new WebSocketServer({ noServer: true });
  listener.on("upgrade", (request, socket, head) =>
    sockets.handleUpgrade(request, socket, head, (opened) => client.execute(request.url ?? "", opened)),
  );
  await new Promise<void>((resolve) => listener.listen(options.http, "127.0.0.1", resolve));
}

class FakeClient implements PluginHolder {
  readonly #options: ClientOptions;
  readonly #tasks: FakeTask[] = [];
  #plugin: PluginConnection | undefined;
  #launching: Promise<void> | undefined;
  #socket: WebSocket | undefined;

  constructor(options: ClientOptions) {
    this.#options = options;
    mkdirSync(join(options.folder, "kept"), { recursive: true });
  }

  get defect(): string | undefined {
    return this.#options.defect;
  }

  get plugin(): PluginConnection {
    if (this.#plugin === undefined) throw new Error("there is no plugin");
    return this.#plugin;
  }

  async facts() {
    const { spec } = await this.plugin.driver.taskConfigSchema({});
    const { capabilities } = await this.plugin.driver.capabilities({});
    return {
      taskSchema: attributeSpecs(spec),
      capabilities: capabilities ?? DriverCapabilities.decode(new Uint8Array()),
    };
  }

  async start(): Promise<void> {
    await this.#reattach();
    this.#socket = new WebSocket(`ws://127.0.0.1:${this.#options.server}`);
    await new Promise((resolve) => this.#socket?.once("open", resolve));
    this.#socket.on("message", (data) => this.#obey(JSON.parse(String(data)) as ToClient));
    const { folder } = this.#options;
    for (const file of readdirSync(join(folder, "kept"))) {
      const task = FakeTask.recover(this, folder, file, (message) => this.#tell(message));
      this.#tasks.push(task);
      void task.run();
    }
    this.#followHealth();
  }

  async again(): Promise<void> {
    this.#launching ??= this.#launch().finally(() => {
      this.#launching = undefined;
    });
    await this.#launching;
  }

  /** The plugin of the client before, if it still answers. */
  async #reattach(): Promise<void> {
    const file = join(this.#options.folder, "plugin");
    if (existsSync(file)) {
      const connection = connectPlugin(readFileSync(file, "utf8"));
      try {
        await connection.base.pluginInfo({}, { deadlineMs: 5_000 });
        await connection.driver.init({});
        this.#plugin = connection;
        return;
      } catch {
        connection.disconnect();
      }
    }
    await this.#launch();
  }

  async #launch(): Promise<void> {
    const { pluginDir, configuration, folder } = this.#options;
    // Clients notice a plugin's death by its connection.
    if (this.#plugin && (await this.#answers())) return;
    const plugin = await launchPlugin({ command: join(pluginDir, "nomad-driver-exec2") });
    const { spec } = await plugin.base.configSchema({});
    const given = await pluginOptionsIn(jobFile(configuration, readFileSync(configuration, "utf8")));
    // This client reads no pipes: the driver writes log files at the agent's places.
    const config = fitPluginOptions({ ...given, log_collection: "driver" }, attributeSpecs(spec));
    const topology = { ...topologyMessage(readNodeTopology()), overrideTotalCompute: 8_000 };
    await plugin.base.setConfig({
      msgpackConfig: encodeMsgpack(config),
      nomadConfig: { driver: { ClientMinPort: 14_000, ClientMaxPort: 14_512, Topology: topology } },
      pluginApiVersion: "v0.1.0",
    });
    await plugin.driver.init({});
    writeFileSync(join(folder, "plugin"), plugin.socketPath);
    this.#plugin = plugin;
    if (this.#socket) this.#followHealth();
  }

  async #answers(): Promise<boolean> {
    try {
      await this.plugin.base.pluginInfo({}, { deadlineMs: 5_000 });
      return true;
    } catch {
      return false;
    }
  }

  #followHealth(): void {
    this.plugin.driver
      .fingerprint({})
      .on("data", ({ health, attributes }: FingerprintResponse) => {
        const texts = [...attributes].map(([name, { value }]) => [name, String(value?.value)]);
        this.#tell({
          kind: "node",
          healthy: health === Health.HEALTHY,
          attributes: Object.fromEntries(texts),
        });
      })
      .on("error", () => void this.again());
  }

  #obey(message: ToClient): void {
    if (message.kind === "stop") {
      void this.#tasks.find(({ key }) => key === message.key)?.stop();
      return;
    }
    const task = new FakeTask(this, this.#options.folder, message, (told) => this.#tell(told));
    this.#tasks.push(task);
    void task.run();
  }

  #tell(message: ToServer): void {
    this.#socket?.send(JSON.stringify(message));
  }

  #taskOf(allocation: string): FakeTask | undefined {
    return this.#tasks.find(({ id }) => id === allocation);
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url ?? "", "http://localhost");
    const [, , , kind = "", id = "", last] = pathname.split("/");
    const task = this.#taskOf(kind === "fs" ? (last ?? "") : id);
    if (task === undefined) return void response.writeHead(404).end("Unknown allocation");
    const send = (answer: unknown) => response.end(JSON.stringify(answer));
    try {
      if (kind === "fs") return await this.#follow(task, response);
      if (last === "stats") return void send(await this.#statistics(task));
      const body = (await jsonOf(request)) as { readonly Signal?: string };
      const { taskId } = task;
      if (last === "restart") void task.restart();
      else await this.plugin.driver.signalTask({ taskId, signal: body.Signal ?? "" });
      send({});
    } catch (thrown) {
      response.writeHead(500).end(thrown instanceof Error ? thrown.message : String(thrown));
    }
  }

  /** Sends what is in the newest log file, and what comes, until the caller goes. */
  async #follow({ allocDir }: FakeTask, response: ServerResponse): Promise<void> {
    const path = join(allocDir, "alloc/logs/t.stdout.0");
    if (!existsSync(path)) return void response.writeHead(404).end("log entry not found");
    const file = openSync(path, "r");
    try {
      const bytes = Buffer.alloc(65_536);
      while (!response.destroyed) {
        const count = readSync(file, bytes);
        if (count > 0) response.write(Buffer.from(bytes.subarray(0, count)));
        else await delay(50);
      }
    } finally {
      closeSync(file);
    }
  }

  async #statistics({ taskId }: FakeTask) {
    const stream = this.plugin.driver.taskStats({ taskId, collectionInterval: durationOf(500) });
    try {
      for await (const { stats } of stream as AsyncIterable<TaskStatsResponse>) {
        const cpu = stats?.aggResourceUsage?.cpu;
        if (cpu === undefined || cpu.percent === 0) continue;
        const isMeasured = cpu.measuredFields.includes(CPUUsage_Fields.PERCENT);
        return {
          ResourceUsage: {
            CpuStats: { TotalTicks: cpu.totalTicks, Measured: isMeasured ? ["Percent"] : [] },
            MemoryStats: { Measured: null },
          },
        };
      }
      throw new Error("no statistics");
    } finally {
      stream.cancel();
    }
  }

  /** `alloc exec`. */
  execute(url: string, socket: WebSocket): void {
    const { pathname, searchParams } = new URL(url, "http://localhost");
    const task = this.#taskOf(pathname.split("/")[4] ?? "");
    const command = JSON.parse(searchParams.get("command") ?? "[]") as string[];
    const tty = searchParams.get("tty") === "true";
    const call = new ExecCall(this.plugin, task?.taskId ?? "", command, { tty });
    socket.on("message", (data) => {
      const { stdin, tty_size: size } = JSON.parse(String(data));
      if (size) call.resize(size.height, size.width);
      if (stdin?.data) call.type(Buffer.from(stdin.data, "base64"));
      if (stdin?.close) call.closeInput();
    });
    const send = (message: object) => socket.send(JSON.stringify(message));
    call.result.then(
      (result) => {
        send({ stdout: { data: call.stdout.toString("base64") } });
        send({ stderr: { data: call.stderr.toString("base64") } });
        send({ exited: true, result: { exit_code: codeToPassOn(result) } });
        socket.close();
      },
      (thrown) => socket.close(1011, String(thrown).slice(0, 120)),
    );
  }
}
