/**
 * A bundle that the page sends to the inspector. Its size is limited, it is shown as foreign, and it is kept
 * only in memory.
 */
import { once } from "node:events";
import { request } from "node:http";
import { describe, expect, it } from "vitest";
import { toTaskId } from "../../../src/base/taskId.ts";
import type { BundleView } from "../../../src/inspector/views/answers.ts";
import type { TaskSummary } from "../../../src/inspector/views/taskSummary.ts";
import type { UsageView } from "../../../src/inspector/views/taskView.ts";
import { appendUsage } from "../../../src/store/usage/usageFile.ts";
import { life } from "../../support/history/history.ts";
import { eventually } from "../../support/host/eventually.ts";
import { usageSample } from "../../support/metrics/usage.ts";
import {
  admission,
  type Inspected,
  idOf,
  type Reply,
  startInspector,
} from "../../support/screen/inspector.ts";

const id = idOf(1);
const query = `id=${encodeURIComponent(id)}`;

/** A bundle of another host with a failed task. */
async function makeBundle(): Promise<string> {
  const { record, ask, log } = await startInspector();
  for (const time of [1_000, 2_000, 3_000]) {
    appendUsage(log, toTaskId(id), usageSample({ time, userUs: time * 100, memoryBytes: 5 * 2 ** 20 }));
  }
  await record(id, life("failed"));
  return eventually(async () => {
    const { status, body } = await ask(`/api/bundle?${query}`);
    expect(status).toBe(200);
    expect(body.trim().split("\n")).toHaveLength(6);
    return body;
  });
}

interface Upload {
  readonly headers?: Record<string, string>;
  readonly path?: string;
  readonly method?: string;
}

async function upload({ server }: Inspected, body: string | Buffer, options: Upload = {}): Promise<Reply> {
  const { headers = {}, path = "/api/bundles?name=bundle.jsonl", method = "POST" } = options;
  const { origin } = new URL(server.url);
  const asked = request(new URL(path, server.url), {
    method,
    headers: { ...admission(server.url), origin, ...headers },
    agent: false,
  });
  asked.on("error", () => undefined).end(body);
  const [response] = await once(asked, "response");
  let text = "";
  for await (const chunk of response.setEncoding("utf8")) text += chunk;
  return { status: response.statusCode, headers: response.headers, body: text };
}

describe("a bundle that the page sends to the inspector", () => {
  it("is shown beside the inspector's own tasks, which do not change, and is written nowhere", async () => {
    const bundle = await makeBundle();
    const inspected = await startInspector();
    const { record, ask, store } = inspected;
    // A task with the same id but another end.
    await record(id, life("ended"));
    await eventually(async () => expect((await ask("/api/tasks")).body).toContain("ompleted"));
    const position = store.lastPosition();
    const { key } = JSON.parse((await upload(inspected, bundle)).body) as { key: string };
    const about = JSON.parse((await ask(`/api/bundle/about?in=${key}`)).body) as BundleView;
    expect(about).toMatchObject({ name: "bundle.jsonl", tasks: 1, events: 4, findings: [], masked: true });
    const tonesOf = async (path: string) =>
      (JSON.parse((await ask(path)).body) as TaskSummary[]).map(({ outcome }) => outcome.tone);
    expect(await tonesOf(`/api/tasks?in=${key}`)).toEqual(["bad"]);
    expect(await tonesOf("/api/tasks")).toEqual(["good"]);
    expect(JSON.parse((await ask(`/api/events?${query}&in=${key}`)).body)).toHaveLength(4);
    expect(JSON.parse((await ask(`/api/events?${query}`)).body)).toHaveLength(6);
    const diff = await ask(`/api/diff?a=${encodeURIComponent(id)}&b=${encodeURIComponent(id)}&bin=${key}`);
    expect(JSON.parse(diff.body)).toMatchObject({ same: false });
    expect((await ask(`/api/log?${query}&in=${key}`)).body).toBe("a bundle has no output of its tasks");
    expect((await ask("/api/tasks?in=nothing")).status).toBe(404);
    expect(store.lastPosition()).toBe(position);
  });

  it("shows the resource usage of its task", async () => {
    const inspected = await startInspector();
    const { key } = JSON.parse((await upload(inspected, await makeBundle())).body) as { key: string };
    const usage = JSON.parse((await inspected.ask(`/api/usage?${query}&in=${key}`)).body) as UsageView;
    expect(usage.spans.map(({ memoryBytes }) => memoryBytes)).toEqual([5 * 2 ** 20, 5 * 2 ** 20]);
    expect(usage.text).toContain("at most 5 MiB of memory");
  });

  it("is shown as changed if it was changed", async () => {
    const made = await makeBundle();
    const bundle = made.replace("LAUNCH_FAILED", "LAUNCH_WORKED").replace("[[1000,", "[[1001,");
    const inspected = await startInspector();
    const { key } = JSON.parse((await upload(inspected, bundle)).body) as { key: string };
    const about = JSON.parse((await inspected.ask(`/api/bundle/about?in=${key}`)).body) as BundleView;
    expect(about.findings).toEqual([
      `Event 3 of ${id} was changed, or is missing`,
      `The usage samples of ${id} were changed`,
    ]);
  });

  it("is refused if it is invalid, too large, or not from the page", async () => {
    const bundle = await makeBundle();
    const inspected = await startInspector();
    expect(await upload(inspected, "no bundle")).toMatchObject({ status: 400 });
    expect(await upload(inspected, bundle.slice(0, -40))).toMatchObject({ status: 400 });
    expect(await upload(inspected, "", { headers: { "content-length": String(2 ** 30) } })).toMatchObject({
      status: 413,
    });
    expect(await upload(inspected, bundle, { headers: { authorization: "" } })).toMatchObject({
      status: 401,
    });
    expect(await upload(inspected, bundle, { headers: { origin: "http://evil.example" } })).toMatchObject({
      status: 403,
    });
    expect(await upload(inspected, bundle, { headers: { origin: "null" } })).toMatchObject({ status: 403 });
    expect(await upload(inspected, bundle, { path: "/api/tasks" })).toMatchObject({ status: 405 });
    expect(await upload(inspected, bundle, { method: "PUT" })).toMatchObject({ status: 405 });
    // The inspector still works.
    expect(await upload(inspected, bundle)).toMatchObject({ status: 200 });
  });

  it("makes room for newer bundles", async () => {
    const bundle = await makeBundle();
    const inspected = await startInspector();
    const keys: string[] = [];
    for (let count = 0; count < 18; count++) {
      keys.push((JSON.parse((await upload(inspected, bundle)).body) as { key: string }).key);
    }
    const there = await Promise.all(
      keys.map(async (key) => (await inspected.ask(`/api/tasks?in=${key}`)).status),
    );
    expect(there).toEqual([...Array(2).fill(404), ...Array(16).fill(200)]);
  });
});
