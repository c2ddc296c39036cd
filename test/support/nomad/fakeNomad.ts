/**
 * A server that answers as Nomad's HTTP API says (developer.hashicorp.com/nomad/api-docs) and as test/fixtures/nomadApi
 * shows, which was recorded from a real agent: pages, filters, blocking queries, compressed answers, tokens, errors. It
 * can also answer late, cut or broken.
 */
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import errors from "../../fixtures/nomadApi/errors.json" with { type: "json" };

export type Json = { [name: string]: unknown };

/** What the cluster has. Tests may change it: see {@link FakeNomad.changed}. */
export interface Cluster {
  allocations: Json[];
  nodes: Json[];
  jobs: Json[];
}

/** How an answer goes wrong. */
export type Trouble = "silence" | "cut" | "brokenJson" | "brokenGzip" | "notNomad" | "noLeader" | 500 | 503;

export interface FakeNomadOptions {
  /** The tokens and what they may read; undefined for a cluster without ACLs. */
  readonly tokens?: Readonly<Record<string, readonly ("jobs" | "nodes")[]>>;
  /** What goes wrong with the nth request for a path, from 0 on. */
  readonly trouble?: (path: string, nth: number) => Trouble | undefined;
  readonly tls?: { readonly key: string; readonly cert: string; readonly ca?: string };
  /** Path of a Unix socket to listen at, and not at a port. */
  readonly socketPath?: string;
}

export interface FakeNomad {
  readonly address: string;
  readonly requests: readonly {
    readonly method: string;
    readonly path: string;
    readonly query: URLSearchParams;
  }[];
  /** Wakes blocking queries. */
  changed(): void;
  close(): Promise<void>;
}

export async function startNomad(cluster: Cluster, options: FakeNomadOptions = {}): Promise<FakeNomad> {
  const nomad = new Server(cluster, options);
  const listener: RequestListener = (request, response) => void nomad.answer(request, response);
  const { tls, socketPath } = options;
  const server =
    tls === undefined
      ? createServer(listener)
      : createSecureServer({ ...tls, ...(tls.ca !== undefined && { requestCert: true }) }, listener);
  await new Promise<void>((resolve) =>
    socketPath === undefined ? server.listen(0, "127.0.0.1", resolve) : server.listen(socketPath, resolve),
  );
  const address =
    socketPath === undefined
      ? `http${tls === undefined ? "" : "s"}://127.0.0.1:${(server.address() as AddressInfo).port}`
      : `unix://${socketPath}`;
  return {
    address,
    requests: nomad.requests,
    changed: () => nomad.changed(),
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** An error as the real agent answered it. */
function recordedError(name: string): { readonly status: number; readonly body: string } {
  const found = errors.find((each) => each.name === name);
  if (found === undefined) throw new Error(`no recorded error ${name}`);
  return found;
}

class Server {
  readonly requests: FakeNomad["requests"][number][] = [];
  readonly #cluster: Cluster;
  readonly #options: FakeNomadOptions;
  readonly #counts = new Map<string, number>();
  readonly #waiting = new Set<() => void>();
  #index: number;

  constructor(cluster: Cluster, options: FakeNomadOptions) {
    this.#cluster = cluster;
    this.#options = options;
    this.#index = Math.max(1, ...cluster.allocations.map(({ ModifyIndex }) => Number(ModifyIndex)));
  }

  changed(): void {
    this.#index += 1;
    for (const wake of this.#waiting) wake();
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname: path, searchParams: query } = new URL(request.url ?? "", "http://localhost");
    const { method = "" } = request;
    this.requests.push({ method, path, query });
    const nth = this.#counts.get(path) ?? 0;
    this.#counts.set(path, nth + 1);
    const trouble = this.#options.trouble?.(path, nth);
    if (trouble === "silence") return;
    if (method !== "GET") return fail(response, recordedError("405"));
    if (trouble === 500) return fail(response, recordedError("500-region"));
    if (trouble === 503) return fail(response, { status: 503, body: "upstream is not there" });
    const token = request.headers["x-nomad-token"];
    const rights = this.#options.tokens?.[String(token)];
    const may = (what: "jobs" | "nodes") =>
      this.#options.tokens === undefined || rights?.includes(what) === true;
    const send = (body: unknown, headers: Readonly<Record<string, string>> = {}) =>
      this.#send(request, response, body, headers, trouble);
    const [, , kind, id = ""] = path.split("/").map(decodeURIComponent);
    if (kind === "nodes" || kind === "node") {
      if (!may("nodes")) return fail(response, recordedError("403-nodes-reader"));
      if (kind === "nodes") return send(this.#cluster.nodes.map(listed));
      const node = this.#cluster.nodes.find(({ ID }) => ID === id);
      return node === undefined ? fail(response, { status: 404, body: "node not found" }) : send(node);
    }
    // As the API's pages say; it was not recorded.
    if (path === "/v1/agent/self")
      return may("nodes")
        ? send({ stats: { client: { node_id: this.#cluster.nodes[0]?.ID } } })
        : fail(response, recordedError("403-nodes-reader"));
    const namespace = query.get("namespace") ?? "default";
    const isKnownToken = this.#options.tokens === undefined || rights !== undefined;
    if (!may("jobs")) {
      // A token without rights reads an empty list of all namespaces.
      if (kind === "allocations" && namespace === "*" && isKnownToken) return send([]);
      return fail(response, recordedError("403-wrong-token"));
    }
    if (kind === "job") {
      const job = this.#cluster.jobs.find(({ ID, Namespace }) => ID === id && Namespace === namespace);
      return job === undefined ? fail(response, recordedError("404-job")) : send(job);
    }
    if (kind !== "allocations") return fail(response, recordedError("404-path"));
    await this.#wait(query);
    const page = pageOf(this.#cluster.allocations, namespace, query);
    if (page === undefined) return fail(response, recordedError("400-filter"));
    send(page.allocations, page.next === undefined ? {} : { "X-Nomad-Nexttoken": page.next });
  }

  /** A blocking query waits until there is something newer than its index, but at most for its wait. */
  async #wait(query: URLSearchParams): Promise<void> {
    const index = Number(query.get("index") ?? 0);
    if (index === 0 || this.#index > index) return;
    const wait = Number(/^(\d+)ms$/.exec(query.get("wait") ?? "")?.[1] ?? 300_000);
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => wake(), wait);
      timer.unref();
      const wake = () => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        resolve();
      };
      this.#waiting.add(wake);
    });
  }

  #send(
    request: IncomingMessage,
    response: ServerResponse,
    body: unknown,
    headers: Readonly<Record<string, string>>,
    trouble: Trouble | undefined,
  ): void {
    const shown = trouble === "notNomad" ? { service: "another" } : body;
    const text = JSON.stringify(shown);
    const plain = Buffer.from(trouble === "brokenJson" ? text.slice(0, -1) : text);
    const isZipped = request.headers["accept-encoding"] === "gzip";
    const whole = isZipped ? gzipSync(plain) : plain;
    const bytes =
      trouble === "brokenGzip" ? Buffer.concat([whole.subarray(0, 12), Buffer.alloc(20, 255)]) : whole;
    response.writeHead(200, {
      "Content-Type": "application/json",
      ...(isZipped && { "Content-Encoding": "gzip" }),
      Vary: "Accept-Encoding",
      "X-Nomad-Index": String(this.#index),
      "X-Nomad-Knownleader": String(trouble !== "noLeader"),
      "X-Nomad-Lastcontact": "0",
      "Content-Length": String(bytes.length),
      ...headers,
    });
    if (trouble !== "cut") response.end(bytes);
    else response.write(bytes.subarray(0, bytes.length / 2), () => response.destroy());
  }
}

function fail(
  response: ServerResponse,
  { status, body }: { readonly status: number; readonly body: string },
): void {
  response
    .writeHead(status, { "Content-Type": "text/plain; charset=utf-8", Vary: "Accept-Encoding" })
    .end(body);
}

/** A node as `/v1/nodes` lists it: with few attributes, and no metadata. */
function listed({ Attributes: _, Meta: __, ...node }: Json): Json {
  return node;
}

/** Undefined for a filter that Nomad would not understand, or that this server does not know. */
function pageOf(all: readonly Json[], namespace: string, query: URLSearchParams) {
  const filter = query.get("filter");
  const pattern = filter === null ? undefined : /^JobID matches `([^`]*)`$/.exec(filter)?.[1];
  if (filter !== null && pattern === undefined) return undefined;
  const expression = pattern === undefined ? undefined : new RegExp(pattern);
  const tokenOf = ({ CreateIndex, ID }: Json) => `${CreateIndex}.${ID}`;
  const found = all
    .filter(({ Namespace }) => namespace === "*" || Namespace === namespace)
    .filter(({ JobID }) => expression === undefined || expression.test(String(JobID)))
    .toSorted(
      (one, other) =>
        Number(one.CreateIndex) - Number(other.CreateIndex) || (String(one.ID) < String(other.ID) ? -1 : 1),
    );
  const token = query.get("next_token");
  const begin =
    token === null
      ? 0
      : Math.max(
          0,
          found.findIndex((each) => tokenOf(each) === token),
        );
  const perPage = Number(query.get("per_page") ?? found.length);
  const next = found[begin + perPage];
  const allocations = found.slice(begin, begin + perPage);
  return {
    allocations:
      query.get("task_states") === "false"
        ? allocations.map(({ TaskStates: _, ...rest }) => rest)
        : allocations,
    next: next === undefined ? undefined : tokenOf(next),
  };
}
