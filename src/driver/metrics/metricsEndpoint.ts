/**
 * Serves the plugin's metrics over HTTP: on the loopback device, or on a unix socket that only root may open.
 */
import { chmod, lstat, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { connect } from "node:net";
import { errnoOf, messageOf } from "../../base/errors.ts";
import type { Logger } from "../../base/hclog.ts";
import { expositionType } from "../../history/metrics/exposition.ts";
import { Connections } from "../../http/connections.ts";
import { isOwnHost } from "../../http/hostHeader.ts";
import type { MetricsAddress } from "../options/metricsAddress.ts";

/** More connections than a scraper needs. At this maximum, a new connection replaces an old one. */
const maxConnections = 16;
const limits = {
  headersTimeout: 5_000,
  requestTimeout: 5_000,
  // Interval at which Node checks these limits.
  connectionsCheckingInterval: 5_000,
  maxHeaderSize: 8_192,
};
/** Delay after a failed attempt to listen: an earlier plugin may still use the address. */
const retryMs = 5_000;

export class MetricsEndpoint {
  readonly #address: MetricsAddress;
  readonly #collect: () => Promise<string>;
  readonly #log: Logger;
  readonly #http: Server;
  #retry: NodeJS.Timeout | undefined;
  #failed = false;
  #closed = false;

  /** Begins to listen; tries again if that fails. @param collect makes the text of a scrape */
  constructor(address: MetricsAddress, collect: () => Promise<string>, log: Logger) {
    this.#address = address;
    this.#collect = collect;
    this.#log = log;
    this.#http = createServer(limits, (request, response) => void this.#answer(request, response));
    const connections = new Connections(this.#http, maxConnections);
    this.#http.on("request", ({ socket }: IncomingMessage) => connections.admit(socket));
    void this.#listen();
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#http.closeAllConnections();
    await new Promise((resolve) => this.#http.close(resolve));
  }

  async #listen(): Promise<void> {
    try {
      if ("path" in this.#address) await removeStale(this.#address.path);
      if (this.#closed) return;
      await new Promise<void>((resolve, reject) => {
        this.#http.once("error", reject);
        this.#http.listen(this.#address, () => {
          this.#http.off("error", reject);
          resolve();
        });
      });
      // The server must not keep the plugin alive. Only the plugin's agent may.
      this.#http.unref();
      if ("path" in this.#address) await chmod(this.#address.path, 0o600);
    } catch (thrown) {
      if (this.#closed) return;
      if (!this.#failed) {
        this.#log.warn("metrics cannot be served yet; the plugin tries again", { error: messageOf(thrown) });
      }
      this.#failed = true;
      this.#retry = setTimeout(() => void this.#listen(), retryMs).unref();
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const refusal = this.#refusal(request);
    if (refusal !== undefined) {
      send(response, refusal[0], "text/plain; charset=utf-8", `${refusal[1]}\n`);
      return;
    }
    try {
      send(response, 200, expositionType, await this.#collect());
    } catch (thrown) {
      send(response, 500, "text/plain; charset=utf-8", `${messageOf(thrown)}\n`);
    }
  }

  #refusal({ method, url, headers }: IncomingMessage): readonly [number, string] | undefined {
    if (method !== "GET" && method !== "HEAD") return [405, "only GET and HEAD are allowed"];
    // Pages in a browser cannot reach a unix socket.
    if (!("path" in this.#address) && !isOwnHost(headers.host))
      return [421, "this server does not have that host name"];
    if (headers.origin !== undefined) return [403, "web pages have no access"];
    return url?.split("?")[0] === "/metrics" ? undefined : [404, "the metrics are at /metrics"];
  }
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  const length = String(Buffer.byteLength(body));
  const headers = { "Content-Type": type, "Content-Length": length, "X-Content-Type-Options": "nosniff" };
  response.writeHead(status, headers).end(body);
}

/** Removes the socket of a plugin that was killed. Keeps a socket on which a process listens. */
async function removeStale(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found?.isSocket() && (await isRefused(path))) await rm(path, { force: true });
}

function isRefused(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path, () => {
      socket.destroy();
      resolve(false);
    });
    socket.on("error", (thrown) => resolve(errnoOf(thrown) === "ECONNREFUSED"));
  });
}
