/** The inspector's web server: its page, its API, and the live stream. It only reads. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { DriverError } from "../../errors.ts";
import { Access, targetOf } from "./access.ts";
import { loadAssets } from "./assets.ts";
import { LiveStream } from "./liveStream.ts";
import { LogWatch } from "./logWatch.ts";
import { thisNode } from "./node.ts";
import { type Answer, send, textAnswer } from "./responses.ts";
import { answerOf, type Sources } from "./routes.ts";
import { TaskIndex } from "./taskIndex.ts";

export interface InspectorOptions {
  /** A state folder, or a bundle. */
  readonly path: string;
  /** Address to listen on. */
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
}

/** Pages that are told what happens at the same time; each may cost a row a task until it has seen them. */
const maxPages = 16;
/** Nobody tells that a plugin has died, or a log has come: it is looked for. */
const lookEveryMs = 2_000;

export class InspectorServer {
  readonly access = new Access();
  readonly book = new TaskIndex();
  readonly #watch: LogWatch;
  readonly #sources: Sources;
  readonly #assets: ReadonlyMap<string, Answer>;
  readonly #pages = new Set<LiveStream>();
  readonly #http: Server;
  readonly #timer: NodeJS.Timeout;
  #looking: Promise<void> | undefined;
  #told = "";
  #closeRelay: (() => void) | undefined;

  private constructor(path: string) {
    this.#assets = loadAssets();
    this.#watch = new LogWatch(path, this.book);
    this.#sources = { book: this.book, watch: this.#watch, node: thisNode };
    const limits = { headersTimeout: 10_000, requestTimeout: 10_000, maxHeaderSize: 16_384 };
    this.#http = createServer(limits, (request, response) => this.#handle(request, response));
    this.#http.maxConnections = 256;
    this.#timer = setInterval(() => void this.#look(), lookEveryMs).unref();
  }

  /**
   * @throws DriverError `UNSUPPORTED` where the page was not built, or the address cannot be had
   */
  static async start({ path, host, port }: InspectorOptions): Promise<InspectorServer> {
    const server = new InspectorServer(path);
    await server.#look();
    await new Promise<void>((resolve, reject) => {
      server.#http.once("error", reject).listen(port, host, resolve);
    }).catch(async (thrown) => {
      await server.#watch.close();
      throw DriverError.from(thrown, "UNSUPPORTED", `the inspector cannot listen on ${host}:${port}`);
    });
    return server;
  }

  /** Where the page is, with the token that lets a browser in. */
  get url(): string {
    return `http://${this.#authority}/?token=${this.access.token}`;
  }

  /** Lets clients of `@statelyai/inspect` in. @returns their address */
  async relay(): Promise<string> {
    const { relayPath, relayTasks } = await import("../stately/relay.ts");
    this.#closeRelay ??= relayTasks(this.#http, this.access, this.book);
    return `ws://${this.#authority}${relayPath(this.access.token)}`;
  }

  get #authority(): string {
    const { address, port, family } = this.#http.address() as AddressInfo;
    return `${family === "IPv6" ? `[${address}]` : address}:${port}`;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
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
    if (verdict.kind === "welcome") {
      const headers = { "Set-Cookie": verdict.cookie, Location: "/" };
      send(response, { ...textAnswer(""), status: 303, headers });
      return;
    }
    const target = targetOf(request.url);
    if (target?.pathname === "/api/live" && request.method === "GET") {
      this.#follow(response);
      return;
    }
    const answer = target && (this.#assets.get(target.pathname) ?? answerOf(this.#sources, target));
    send(response, answer ?? textAnswer("There is nothing here.\n", 404));
  }

  #follow(response: ServerResponse): void {
    if (this.#pages.size >= maxPages) {
      send(response, textAnswer("Too many pages are open.\n", 503));
      return;
    }
    const page = new LiveStream(response, this.book);
    this.#pages.add(page);
    page.tell(this.#watch.status());
    response.on("close", () => this.#pages.delete(page));
  }

  /** Looks at the logs and their plugins, one look at a time, and tells the pages where that is news. */
  #look(): Promise<void> {
    this.#looking ??= this.#watch.look().finally(() => {
      this.#looking = undefined;
      const status = this.#watch.status();
      const text = JSON.stringify(status);
      if (text === this.#told) return;
      this.#told = text;
      for (const page of this.#pages) page.tell(status);
    });
    return this.#looking;
  }
}
