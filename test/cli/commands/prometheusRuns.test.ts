/** `size --prometheus` and its server: a stand-in that answers as Prometheus' pages on its HTTP API say. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, it, onTestFinished, vi } from "vitest";
import { prometheusRuns } from "../../../src/cli/commands/size/prometheusRuns.ts";

const now = 1_800_000_000_000;
const mib = 2 ** 20;

interface Asked {
  readonly method: string | undefined;
  readonly path: string | undefined;
  readonly authorization: string | undefined;
  readonly type: string | undefined;
  readonly query: string;
  readonly time: string;
}

type Reply = (query: string, response: ServerResponse) => void;

/** @param reply to each query */
async function serve(reply: Reply): Promise<{ readonly url: string; readonly asked: Asked[] }> {
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

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "Content-Type": "application/json" });
  response.end(typeof body === "string" ? body : JSON.stringify(body));
}

const vector = (result: unknown[], more: object = {}) => ({
  ...{ status: "success", data: { resultType: "vector", result } },
  ...more,
});

/** As many allocations as given, each with a peak of 213 of 600 MiB. */
function job(count: number): Reply {
  const ids = Array.from({ length: count }, (_, index) => `a-${index}`);
  return (query, response) => {
    const own = ids.filter((id) => !query.includes("alloc_id=~") || new RegExp(`["|]${id}["|]`).test(query));
    const each = (value: number, more: object = {}) =>
      own.map((id) => ({
        metric: { alloc_id: id, task: "web", ...more },
        value: [now / 1000, String(value)],
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

const window = { since: 86_400_000, now };

it("asks for the job's tasks, and then for their figures, by POST", async () => {
  const { url, asked } = await serve(job(2));
  const { runs, killed } = await prometheusRuns(`${url}/`, undefined, "shop", window);
  expect(killed).toBe(0);
  expect(runs).toHaveLength(2);
  expect(runs[0]).toMatchObject({ job: "shop", memory: { peakBytes: 213 * mib, limitBytes: 600 * mib } });
  expect(asked[0]).toMatchObject({
    ...{ method: "POST", path: "/api/v1/query", authorization: undefined, time: "1800000000" },
    type: expect.stringMatching(/^application\/x-www-form-urlencoded/),
  });
  expect(asked.find(({ query }) => query.includes("memory_peak"))?.query).toBe(
    'max by (alloc_id, task) (max_over_time(exec2_task_memory_peak_bytes{alloc_id=~"a-0|a-1"}[86400s]))',
  );
});

it("asks for many allocations in several queries", async () => {
  const { url, asked } = await serve(job(600));
  expect((await prometheusRuns(url, undefined, "shop", window)).runs).toHaveLength(600);
  expect(asked.filter(({ query }) => query.includes("memory_peak"))).toHaveLength(3);
});

it("has no runs of a job that the server does not know", async () => {
  const { url } = await serve(job(0));
  expect((await prometheusRuns(url, undefined, "shop", window)).runs).toEqual([]);
});

it("sends a token, or user and password, in a header, and never shows them", async () => {
  const refuse: Reply = (_, response) => send(response, 401, "Unauthorized");
  const withUser = (url: string) => url.replace("//", "//ada:s3cret@");
  const { url, asked } = await serve(refuse);
  const refusal = await prometheusRuns(withUser(url), undefined, "shop", window).catch(String);
  expect(asked[0]?.authorization).toBe(`Basic ${Buffer.from("ada:s3cret").toString("base64")}`);
  expect(refusal).toContain(
    `Prometheus at ${url}/api/v1/query answers with status 401. Set PROMETHEUS_TOKEN`,
  );
  expect(refusal).not.toContain("s3cret");
  const other = await serve(refuse);
  await prometheusRuns(withUser(other.url), "t0ken", "shop", window).catch(String);
  expect(other.asked[0]?.authorization).toBe("Bearer t0ken");
});

it.each<[string, Reply, RegExp]>([
  [
    "an error of the query",
    (_, response) =>
      send(response, 422, { status: "error", errorType: "execution", error: "too many samples" }),
    /answers with status 422: execution: too many samples\. Ask for less with --since/,
  ],
  [
    "another service",
    (_, response) => send(response, 404, "<html>"),
    /status 404\. Give the address .* without \/api/,
  ],
  ["a page", (_, response) => send(response, 200, "<html>"), /answers with what is not its API's/],
  [
    "another type of result",
    (_, response) => send(response, 200, { status: "success", data: { resultType: "matrix", result: [] } }),
    /answers with what is not its API's/,
  ],
  [
    "a redirection",
    (_, response) => void response.writeHead(302, { Location: "http://127.0.0.1:1/" }).end(),
    /answers with status 302/,
  ],
  ["a broken answer", (_, response) => void response.writeHead(200).socket?.destroy(), /cannot be asked: /],
])("%s is an error", async (_, reply, message) => {
  const { url } = await serve(reply);
  await expect(prometheusRuns(url, undefined, "shop", window)).rejects.toMatchObject({
    ...{ code: "PROMETHEUS_FAILED", message: expect.stringMatching(message) },
  });
});

it("nobody at the address is an error, and so is an address that is none", async () => {
  await expect(prometheusRuns("http://127.0.0.1:1", undefined, "shop", window)).rejects.toMatchObject({
    ...{ code: "PROMETHEUS_FAILED", message: expect.stringContaining("cannot be asked: ") },
  });
  await expect(prometheusRuns("127.0.0.1:9090", undefined, "shop", window)).rejects.toMatchObject({
    code: "CONFIG_INVALID",
  });
});

it("tells what the server warns of, once", async () => {
  const { url } = await serve((_, response) =>
    send(response, 200, vector([], { warnings: ["a store is gone"] })),
  );
  const written: string[] = [];
  const spy = vi.spyOn(process.stderr, "write").mockImplementation((text) => written.push(String(text)) > 0);
  onTestFinished(() => spy.mockRestore());
  await prometheusRuns(url, undefined, "shop", window);
  expect(written.join("").match(/a store is gone/g)).toHaveLength(1);
});
