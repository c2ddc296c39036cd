/** The fake server: jobs, allocations, one node; blocking queries; it tells the client what to run. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type WebSocket, WebSocketServer } from "ws";
import node from "../../fixtures/nomadApi/node.json" with { type: "json" };
import { recordedCluster } from "../../support/nomad/cluster.ts";
import type { Json } from "../../support/nomad/fakeNomad.ts";
import { idOf, type ToClient, type ToServer } from "./messages.ts";

const [recorded = {}] = recordedCluster().allocations;

interface Placed {
  readonly key: string;
  readonly job: string;
  id: string | undefined;
  status: string;
  task: Json;
  isWanted: boolean;
}

interface RegisteredJob {
  readonly hcl: string;
  readonly isService: boolean;
  count: number;
}

class FakeServer {
  readonly #jobs = new Map<string, RegisteredJob>();
  readonly #placed: Placed[] = [];
  readonly #waiting = new Set<() => void>();
  readonly #node: Json = structuredClone(node);
  #isEligible = true;
  #isHealthy = false;
  #client: WebSocket | undefined;
  #index = 1;

  connect(client: WebSocket): void {
    this.#client = client;
    client.on("message", (data) => {
      const message = JSON.parse(String(data)) as ToServer;
      if (message.kind === "node") {
        this.#isHealthy = message.healthy;
        Object.assign(this.#node.Attributes as Json, message.attributes);
      } else {
        const one = this.#placed.find(({ key }) => key === message.key);
        if (one) Object.assign(one, { id: message.id, status: message.status, task: message.task });
      }
      this.#changed();
    });
    for (const { isWanted, key } of this.#placed) if (!isWanted) this.#tell({ kind: "stop", key });
    this.#changed();
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? "", "http://localhost");
    const [, , kind, id = "", what] = pathname.split("/").map(decodeURIComponent);
    const body = request.method === "POST" ? ((await jsonOf(request)) as Json) : {};
    const send = (answer: unknown, status = 200) =>
      response
        .writeHead(status, { "Content-Type": "application/json", "X-Nomad-Index": String(this.#index) })
        .end(JSON.stringify(answer));
    if (request.method === "GET") await this.#wait(searchParams);
    if (pathname === "/v1/operator/keyring/keys") return void send([{ KeyID: "f0", State: "active" }]);
    if (pathname === "/v1/nodes") return void send([this.#nodeNow()]);
    if (kind === "node" && what === undefined) return void send(this.#nodeNow());
    if (kind === "node" && what === "drain") {
      this.#isEligible = body.DrainSpec === null && body.MarkEligible === true;
      this.#changed();
      return void send({ NodeModifyIndex: this.#index });
    }
    if (pathname === "/v1/jobs/parse") return void send({ ID: idOf(String(body.JobHCL)), Hcl: body.JobHCL });
    if (pathname === "/v1/jobs") {
      this.#register(String((body.Job as Json).Hcl));
      return void send({ EvalID: "0", JobModifyIndex: this.#index });
    }
    const job = this.#jobs.get(id);
    if (kind !== "job" || job === undefined) return void response.writeHead(404).end("job not found");
    if (request.method === "DELETE") job.count = 0;
    else if (what === "scale") job.count = Number(body.Count);
    else if (what === "allocations") return void send(this.#allocationsOf(id));
    this.#changed();
    send({ EvalID: "0" });
  }

  #nodeNow(): Json {
    const exec2 = { Detected: true, Healthy: this.#isHealthy, HealthDescription: "", Attributes: {} };
    return { ...this.#node, Status: this.#client ? "ready" : "initializing", Drivers: { exec2 } };
  }

  #register(hcl: string): void {
    const count = Number(/^ {4}count = (\d+)$/m.exec(hcl)?.[1]);
    this.#jobs.set(idOf(hcl), { hcl, isService: hcl.includes('type = "service"'), count });
    this.#changed();
  }

  #allocationsOf(job: string): Json[] {
    return this.#placed
      .filter((each) => each.job === job && each.id !== undefined)
      .map(({ id, status, task }) => ({
        ...recorded,
        ...{ ID: id, JobID: job, ClientStatus: status, TaskStates: { t: task } },
      }));
  }

  #changed(): void {
    this.#index += 1;
    if (this.#client && this.#isHealthy) this.#schedule();
    for (const wake of [...this.#waiting]) wake();
  }

  /** Places what is missing, and stops what is too many, or on a drained node. */
  #schedule(): void {
    for (const [id, { hcl, isService, count }] of this.#jobs) {
      const own = this.#placed.filter(({ job }) => job === id);
      // What has ended by itself is not placed again.
      const isLive = ({ status, isWanted }: Placed) => isWanted && (!isService || status !== "failed");
      const live = own.filter(isLive);
      const wanted = this.#isEligible ? count : 0;
      for (const one of live.slice(wanted)) {
        one.isWanted = false;
        this.#tell({ kind: "stop", key: one.key });
      }
      const hasFailed = own.some(({ status }) => status === "failed");
      for (let missing = wanted - live.length; missing > 0 && !hasFailed; missing--) {
        const key = `${id} ${own.length + missing}`;
        this.#placed.push({ key, job: id, id: undefined, status: "pending", task: {}, isWanted: true });
        this.#tell({ kind: "place", key, job: id, hcl });
      }
    }
  }

  #tell(message: ToClient): void {
    this.#client?.send(JSON.stringify(message));
  }

  async #wait(query: URLSearchParams): Promise<void> {
    const index = Number(query.get("index") ?? 0);
    if (index === 0 || this.#index > index) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => wake(), Number.parseInt(query.get("wait") ?? "", 10) || 300_000);
      const wake = () => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        resolve();
      };
      this.#waiting.add(wake);
    });
  }
}

export async function jsonOf(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return JSON.parse(Buffer.concat(chunks).toString());
}

/** @param rpc port for the fake client */
export async function startServer(http: number, rpc: number): Promise<void> {
  const server = new FakeServer();
  new WebSocketServer({ host: "127.0.0.1", port: rpc }).on("connection", (client) => server.connect(client));
  const listener = createServer((request, response) => void server.answer(request, response));
  await new Promise<void>((resolve) => listener.listen(http, "127.0.0.1", resolve));
}
