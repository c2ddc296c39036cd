/** `size --prometheus` and its server. */
import { expect, it, onTestFinished, vi } from "vitest";
import { prometheusRuns } from "../../../src/cli/commands/size/prometheusRuns.ts";
import {
  jobInMetrics,
  type Reply,
  send,
  servePrometheus,
  vector,
} from "../../support/metrics/fakePrometheus.ts";

const now = 1_800_000_000_000;
const mib = 2 ** 20;
const window = { since: 86_400_000, now };

it("asks for the job's tasks, and then for their figures, by POST", async () => {
  const { url, asked } = await servePrometheus(jobInMetrics(2));
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
  const { url, asked } = await servePrometheus(jobInMetrics(600));
  expect((await prometheusRuns(url, undefined, "shop", window)).runs).toHaveLength(600);
  expect(asked.filter(({ query }) => query.includes("memory_peak"))).toHaveLength(3);
});

it("has no runs of a job that the server does not know", async () => {
  const { url } = await servePrometheus(jobInMetrics(0));
  expect((await prometheusRuns(url, undefined, "shop", window)).runs).toEqual([]);
});

it("sends a token, or user and password, in a header, and never shows them", async () => {
  const refuse: Reply = (_, response) => send(response, 401, "Unauthorized");
  const withUser = (url: string) => url.replace("//", "//ada:s3cret@");
  const { url, asked } = await servePrometheus(refuse);
  const refusal = await prometheusRuns(withUser(url), undefined, "shop", window).catch(String);
  expect(asked[0]?.authorization).toBe(`Basic ${Buffer.from("ada:s3cret").toString("base64")}`);
  expect(refusal).toContain(
    `Prometheus at ${url}/api/v1/query answers with status 401. Set PROMETHEUS_TOKEN`,
  );
  expect(refusal).not.toContain("s3cret");
  const other = await servePrometheus(refuse);
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
  const { url } = await servePrometheus(reply);
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
  const { url } = await servePrometheus((_, response) =>
    send(response, 200, vector([], { warnings: ["a store is gone"] })),
  );
  const written: string[] = [];
  const spy = vi.spyOn(process.stderr, "write").mockImplementation((text) => written.push(String(text)) > 0);
  onTestFinished(() => spy.mockRestore());
  await prometheusRuns(url, undefined, "shop", window);
  expect(written.join("").match(/a store is gone/g)).toHaveLength(1);
});
