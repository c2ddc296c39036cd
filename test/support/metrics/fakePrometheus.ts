/** A stand-in for a Prometheus server, which answers as its pages on its HTTP API say. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";

const mib = 2 ** 20;

interface Asked {
  readonly method: string | undefined;
  readonly path: string | undefined;
  readonly authorization: string | undefined;
  readonly type: string | undefined;
  readonly query: string;
  readonly time: string;
}

export type Reply = (query: string, response: ServerResponse) => void;

/** @param reply to each query */
export async function servePrometheus(
  reply: Reply,
): Promise<{ readonly url: string; readonly asked: Asked[] }> {
  const asked: Asked[] = [];
  const server = createServer(async (request, response) => {
    const form = new URLSearchParams(await bodyOf(request));
    const { method, url: path, headers } = request;
    const [query, time] = [form.get("query") ?? "", form.get("time") ?? ""];
    asked.push({
      method,
      path,
      authorization: headers.authorization,
      type: headers["content-type"],
      query,
      time,
    });
    reply(query, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close().closeAllConnections());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

export function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "Content-Type": "application/json" });
  response.end(typeof body === "string" ? body : JSON.stringify(body));
}

export const vector = (result: unknown[], more: object = {}) => ({
  ...{ status: "success", data: { resultType: "vector", result } },
  ...more,
});

/** A job of as many allocations as given, each with a peak of 213 of 600 MiB. */
export function jobInMetrics(count: number): Reply {
  const ids = Array.from({ length: count }, (_, index) => `a-${index}`);
  return (query, response) => {
    const own = ids.filter((id) => !query.includes("alloc_id=~") || new RegExp(`["|]${id}["|]`).test(query));
    const each = (value: number, more: object = {}) =>
      own.map((id) => ({
        metric: { alloc_id: id, task: "web", ...more },
        value: [1_800_000_000, String(value)],
      }));
    if (query.includes("exec2_task_ends_total")) send(response, 200, vector([]));
    else if (query.startsWith("max by (alloc_id, task, nomad_job"))
      send(
        response,
        200,
        vector(each(1, { nomad_job: "shop", nomad_group: "g", nomad_namespace: "default" })),
      );
    else if (query.includes("memory_peak")) send(response, 200, vector(each(213 * mib)));
    else if (/memory_(?:limit|reserved)/.test(query)) send(response, 200, vector(each(600 * mib)));
    else send(response, 200, vector([]));
  };
}
