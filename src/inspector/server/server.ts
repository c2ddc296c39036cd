/** The inspector's web server: its page, its API, and the live stream. It only reads. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { DriverError, hasErrno } from "../../base/errors.ts";
import { IdleMemory } from "../../effects/processes/idleMemory.ts";
import { Connections } from "../../http/connections.ts";
import { Access, metricsPath, targetOf } from "./access.ts";
import { Allocations } from "./allocations.ts";
import { loadAssets } from "./assets.ts";
import { bytesOf, DroppedBundles, maxBundleBytes, tooLarge } from "./droppedBundles.ts";
import { FleetReading, type FleetSource } from "./fleetReading.ts";
import { LiveStream } from "./liveStream.ts";
import { LogRequests } from "./logs/logRequests.ts";
import { LogWatch } from "./logWatch.ts";
import { InspectorMetrics } from "./metrics.ts";
import { type Receiver, relay, wantedBy } from "./relay.ts";
import { receiverOf } from "./relayStream.ts";
import { type Answer, jsonAnswer, send, textAnswer } from "./responses.ts";
import { answerOf, type Sources, statusOf } from "./routes.ts";
import { TaskIndex } from "./taskIndex.ts";

export interface InspectorOptions {
  /** A state folder, or a bundle. */
  readonly path: string;
  /** Address to listen on. */
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** A cluster whose failures are shown, too. */
  readonly fleet?: FleetSource | undefined;
}

/**
 * Maximum number of open pages. For each page, the server may hold a row per task until the browser reads it.
 */
const maxPages = 16;
/** Maximum number of connections; more than any browser opens for that many pages. */
const maxConnections = 256;
/** Time from a read of a log until the status reports the log's damage. */
const afterReadMs = 1_000;

const notFound = textAnswer("Not found.\n", 404);

export class InspectorServer {
  readonly access = new Access();
  readonly index = new TaskIndex();
  readonly #watch: LogWatch;
  readonly #metrics: InspectorMetrics;
  readonly #sources: Sources;
  readonly #assets: ReadonlyMap<string, Answer>;
  readonly #pages = new Set<LiveStream>();
  /** Pages for Stately's inspector. */
  readonly #relayed = new Set<Receiver>();
  readonly #http: Server;
  readonly #connections: Connections;
  readonly #idleMemory = new IdleMemory();
  #looking = Promise.resolve();
  /** The next look, and when it is due. */
  #next: { readonly timer: NodeJS.Timeout; readonly at: number } | undefined;
  #isUploading = false;
  #isClosed = false;
  #sentStatus = "";
  #closeRelay: (() => void) | undefined;

  private constructor(path: string, fleet: FleetSource | undefined) {
    this.#assets = loadAssets();
    this.#watch = new LogWatch(path, this.index, (withinMs) => this.#lookWithin(withinMs));
    this.#metrics = new InspectorMetrics(this.index, this.#watch);
    this.#sources = {
      index: this.index,
      watch: this.#watch,
      fleet: fleet && new FleetReading(fleet),
      allocations: new Allocations(this.index),
      logs: new LogRequests(this.index, () => this.#watch.isBundle),
      dropped: new DroppedBundles(),
    };
    const limits = {
      headersTimeout: 10_000,
      requestTimeout: 10_000,
      // Interval at which Node checks these limits. Its default is half a minute.
      connectionsCheckingInterval: 5_000,
      maxHeaderSize: 16_384,
    };
    this.#http = createServer(limits, (request, response) => this.#handle(request, response));
    this.#connections = new Connections(this.#http, maxConnections);
    // Reading a long log leaves much garbage, which is collected once no more events come.
    this.index.changes.subscribe(() => this.#idleMemory.wake());
  }

  /**
   * @throws DriverError `UNSUPPORTED` if the page was not built, or the address is not available
   */
  static async start({ path, host, port, fleet }: InspectorOptions): Promise<InspectorServer> {
    const server = new InspectorServer(path, fleet);
    await server.#look();
    await new Promise<void>((resolve, reject) => {
      server.#http.once("error", reject).listen(port, host, resolve);
    }).catch(async (thrown) => {
      await server.#watch.close();
      const hint = hasErrno(thrown, "EADDRINUSE")
        ? "Choose another port: --port 0 takes a free one"
        : undefined;
      throw DriverError.from(thrown, "UNSUPPORTED", `the inspector cannot listen on ${host}:${port}`, {
        hint,
      });
    });
    return server;
  }

  /** The page's address, with the token, which the page then sends with each of its requests. */
  get url(): string {
    return `http://${this.#authority}/?token=${this.access.token}`;
  }

  /** Serves clients of `@statelyai/inspect`, too. @returns the address for them */
  async relay(): Promise<string> {
    const { relayPath, serveSockets } = await import("./relaySockets.ts");
    this.#closeRelay ??= serveSockets(this.#http, {
      access: this.access,
      connections: this.#connections,
      index: this.index,
    });
    return `ws://${this.#authority}${relayPath(this.access.token)}`;
  }

  get #authority(): string {
    const { address, port, family } = this.#http.address() as AddressInfo;
    return `${family === "IPv6" ? `[${address}]` : address}:${port}`;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#next?.timer);
    this.#idleMemory.close();
    this.#metrics.close();
    this.#closeRelay?.();
    this.#http.closeAllConnections();
    await new Promise((resolve) => this.#http.close(resolve));
    await this.#looking;
    await this.#watch.close();
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    const verdict = this.access.judge(request);
    if (verdict.kind === "refused") {
      send(response, textAnswer(`${verdict.reason}\n`, verdict.status));
      return;
    }
    const target = targetOf(request.url);
    if (verdict.kind === "stranger") {
      send(response, (target && this.#assets.get(target.pathname)) ?? notFound);
      return;
    }
    this.#connections.admit(request.socket);
    if (target?.pathname === "/api/live" && request.method === "GET") {
      this.#follow(response);
      return;
    }
    if (target?.pathname === "/api/stately" && request.method === "GET") {
      this.#relayTo(response, target.searchParams);
      return;
    }
    if (target?.pathname === "/api/log/live" && request.method === "GET") {
      this.#sources.logs.follow(target.searchParams, response);
      return;
    }
    if (target !== undefined && request.method === "POST") {
      void this.#upload(request, response, target.searchParams.get("name") ?? "");
      return;
    }
    if (target?.pathname === metricsPath) {
      void this.#metrics.answer().then((answer) => send(response, answer));
      return;
    }
    const asset = target && this.#assets.get(target.pathname);
    const isWanted = () => !response.closed;
    if (target === undefined || asset !== undefined) send(response, asset ?? notFound);
    else
      void answerOf(this.#sources, target, isWanted).then((answer) => {
        send(response, answer ?? notFound);
        this.#lookWithin(afterReadMs);
      });
  }

  /** Accepts a bundle that was dropped onto the page, and answers with its key. */
  async #upload(request: IncomingMessage, response: ServerResponse, name: string): Promise<void> {
    const isTooLong = Number(request.headers["content-length"] ?? 0) > maxBundleBytes;
    if (isTooLong || this.#isUploading) {
      const refusal = isTooLong ? tooLarge : "another bundle is being read";
      // The bytes of the request are not read, so the connection is closed after the answer.
      send(response, { ...textAnswer(refusal, isTooLong ? 413 : 503), headers: { Connection: "close" } });
      return;
    }
    this.#isUploading = true;
    try {
      const { key } = await this.#sources.dropped.add(await bytesOf(request), name);
      send(response, jsonAnswer({ key }));
    } catch (thrown) {
      const { summary } = DriverError.from(thrown, "BUNDLE_INVALID", "the bundle cannot be read");
      send(response, textAnswer(summary, 400));
    } finally {
      this.#isUploading = false;
    }
  }

  #follow(response: ServerResponse): void {
    if (isFull(this.#pages, response)) return;
    const page = new LiveStream(response, this.index, statusOf(this.#sources));
    this.#pages.add(page);
    response.on("close", () => this.#pages.delete(page));
  }

  /** Sends the page for Stately's inspector what it passes on. */
  #relayTo(response: ServerResponse, query: URLSearchParams): void {
    if (isFull(this.#relayed, response)) return;
    const page = receiverOf(response);
    this.#relayed.add(page);
    response.on("close", () => this.#relayed.delete(page));
    void relay(page, this.index, wantedBy(query));
  }

  /** Ensures that {@link #look} is called within the given time. */
  #lookWithin(ms: number): void {
    const at = performance.now() + ms;
    if (this.#isClosed || (this.#next !== undefined && this.#next.at <= at)) return;
    clearTimeout(this.#next?.timer);
    const timer = setTimeout(() => {
      this.#next = undefined;
      void this.#look();
    }, ms).unref();
    this.#next = { timer, at };
  }

  /** Looks at the logs and their plugins, one look after another, and sends a changed status to the pages. */
  #look(): Promise<void> {
    this.#looking = this.#looking
      .catch(() => undefined)
      .then(() => this.#watch.look())
      .finally(() => {
        const status = statusOf(this.#sources);
        const text = JSON.stringify(status);
        if (text === this.#sentStatus) return;
        this.#sentStatus = text;
        for (const page of this.#pages) page.sendStatus(status);
      });
    return this.#looking;
  }
}

/** Refuses a page if there are too many of its kind. */
function isFull({ size }: ReadonlySet<unknown>, response: ServerResponse): boolean {
  if (size < maxPages) return false;
  send(response, textAnswer("Too many pages are open.\n", 503));
  return true;
}
