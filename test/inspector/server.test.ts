/** The inspector's server with a real log that is still being written. */

import { describe, expect, it } from "vitest";
import { parseBundle } from "../../src/history/replay/bundle/loadBundle.ts";
import { checkLog } from "../../src/history/replay/check/checkLog.ts";
import type { Sentence } from "../../src/history/why/facts.ts";
import type { Status } from "../../src/inspector/views/answers.ts";
import { groupSteps, groupTitle } from "../../src/inspector/views/eventGroups.ts";
import type { Phrase } from "../../src/inspector/views/phrase.ts";
import { Steps, StepTable } from "../../src/inspector/views/stepTable.ts";
import type { TaskSummary } from "../../src/inspector/views/taskSummary.ts";
import type { MomentView, TaskSteps } from "../../src/inspector/views/taskView.ts";
import { event, life, numberedId, requestWith } from "../support/history/history.ts";
import { eventually } from "../support/host/eventually.ts";
import { get, startInspector } from "../support/screen/inspector.ts";

const id = "6f2d4a9e-0c57-4d2b-8f1e-3b9a7c5d1e20/web/0a1b2c3d";
const secret = "correct-horse-battery";

describe("the API", () => {
  it("returns the tasks, their steps and any moment", async () => {
    const { record, ask } = await startInspector();
    await record(id, life("killed"));
    const rows = await eventually(async () => {
      const tasks = JSON.parse((await ask("/api/tasks")).body) as TaskSummary[];
      expect(tasks).toMatchObject([{ id, task: "web", state: "destroyed", outcome: { tone: "bad" } }]);
      return tasks;
    });
    const events = rows[0]?.events ?? 0;
    const query = `id=${encodeURIComponent(id)}`;
    const answerTo = async <T>(path: string) => JSON.parse((await ask(path)).body) as T;
    const { names, numbers } = await answerTo<TaskSteps>(`/api/task?${query}`);
    const table = new StepTable();
    table.addNumbers(numbers);
    const steps = new Steps(table, names);
    expect(steps.length).toBe(events);
    expect(rows[0]?.outcome).toEqual({
      kind: "killed",
      tone: "bad",
      text: "Killed: still running 5 s after SIGINT",
    });
    const sentences = await answerTo<Sentence[]>(`/api/why?${query}`);
    expect(sentences.map(({ text }) => text).join()).toContain("so it was killed");
    const phrases = await answerTo<Phrase[]>(`/api/phrases?${query}`);
    const titles = groupSteps(steps).map((group) => groupTitle(steps, group, (seq) => phrases[seq - 1]));
    expect(titles.map((title) => title.split(",")[0])).toEqual([
      "Start requested → host inspected → sandbox prepared → running",
      "Stop requested → SIGTERM delivered → stop timed out → SIGKILL sent → exit code 0",
      "Destroyed",
    ]);
    const later = await answerTo<TaskSteps>(`/api/task?${query}&from=9`);
    expect(later.numbers).toEqual(table.toNumbers(9));
    expect(await answerTo(`/api/phrases?${query}&from=9`)).toEqual(phrases.slice(8));
    const fourth = await ask(`/api/moment?id=${encodeURIComponent(id)}&seq=4`);
    const moment = JSON.parse(fourth.body) as MomentView;
    expect(moment).toMatchObject({ state: "running", type: "started", asRecorded: true });
    expect(moment.effects).toMatchObject([{ effect: "watchExit", report: { type: "exited" } }]);
    expect((await ask(`/api/moment?id=${encodeURIComponent(id)}&seq=99`)).status).toBe(404);
    const usage = await ask(`/api/usage?id=${encodeURIComponent(id)}`);
    expect(JSON.parse(usage.body)).toMatchObject({ spans: [], limits: { memoryBytes: 67_108_864 } });
    expect((await ask("/api/task?id=nothing")).status).toBe(404);
    expect((await ask("/api/nothing")).status).toBe(404);
    expect((await ask(`/api/mermaid?id=${encodeURIComponent(id)}`)).body).toMatch(/^sequenceDiagram\n/);
    expect(JSON.parse((await ask("/api/node")).body)).toMatchObject({ start: { starts: 1 } });
  });

  it("compares a failed run with the last good run of the same task", async () => {
    const { record, ask } = await startInspector();
    const runs = [0, 1].map((number) => numberedId(number + 1));
    const good = life("ended");
    const bad = good.map((each) => {
      const time = each.time + 60_000;
      if (each.type === "requested") return { ...each, time, data: { ...each.data, envKeys: ["PATH"] } };
      return each.type === "exited"
        ? { ...each, time, data: { ...each.data, exitCode: 1 } }
        : { ...each, time };
    });
    await record(runs[0] as string, good);
    await record(runs[1] as string, bad);
    await expect.poll(async () => JSON.parse((await ask("/api/tasks")).body)).toHaveLength(2);
    const why = async (run = "") => (await ask(`/api/why?id=${encodeURIComponent(run)}`)).body;
    expect(await why(runs[1])).toContain(
      "Since its last good run, 1 min before: variable NOMAD_TASK_DIR is missing",
    );
    expect(await why(runs[0])).not.toContain("good run");
  });

  it("reports problems of the log, and continues with the readable part", async () => {
    const { store, record, ask } = await startInspector();
    await record(id, life("ended").slice(0, 4));
    const strange = { type: "teleported", schema: 999, time: 1, data: {}, from: "running", to: "elsewhere" };
    await store.append(id, 4, [{ ...strange, effects: [] }]);
    await eventually(async () => expect((await ask("/api/tasks")).body).toContain("elsewhere"));
    const { problems } = JSON.parse((await ask("/api/status")).body) as Status;
    expect(problems.map(({ kind }) => kind)).toEqual(["newer", "pluginGone"]);
    const phrases = JSON.parse((await ask(`/api/phrases?id=${encodeURIComponent(id)}`)).body) as Phrase[];
    expect(phrases.at(-1)?.text).toMatch(/^this version cannot read it/);
    expect((await ask(`/api/moment?id=${encodeURIComponent(id)}&seq=5`)).status).toBe(200);
  });

  it("serves bundles that can be verified", async () => {
    const { record, ask } = await startInspector();
    await record(id, life("ended"));
    await eventually(async () => expect((await ask("/api/tasks")).body).toContain("destroyed"));
    const { body } = await ask(`/api/bundle?id=${encodeURIComponent(id)}`);
    const { reader, header } = parseBundle(body, "copied");
    expect(header.masked).toBe(true);
    expect(checkLog(reader)).toMatchObject({ streams: 1, events: 6, findings: [] });
  });

  it("shows no secret on any of its paths", async () => {
    const { record, ask } = await startInspector();
    const quoted = `execve("/usr/bin/sh", ["sh", "-c", ${JSON.stringify(secret)}], [])`;
    const started = [requestWith({ args: ["-c", secret] }), event("fingerprinted")];
    await record(id, [...started, event("sandboxed", { plan: [quoted] }), event("started")]);
    await eventually(async () => expect((await ask("/api/tasks")).body).toContain("running"));
    const query = `id=${encodeURIComponent(id)}`;
    const moments = [1, 2, 3, 4].map((seq) => `/api/moment?${query}&seq=${seq}`);
    const rest = ["task", "events", "usage", "mermaid", "bundle", "tasks", "node", "status"];
    for (const path of [...moments, ...rest.map((name) => `/api/${name}?${query}`)]) {
      const { status, body } = await ask(path);
      expect(status, path).toBe(200);
      expect(body, path).not.toContain(secret);
    }
  });
});

describe("every answer", () => {
  it("forbids features that the page does not need, and refuses strangers and changes", async () => {
    const { server, ask } = await startInspector();
    const page = await ask("/");
    expect(page.status).toBe(200);
    expect(page.body).not.toMatch(/<script>|style=|\son\w+=/);
    expect(page.headers["content-security-policy"]).toMatch(/default-src 'none'.*script-src 'self'/);
    expect(page.headers["content-security-policy"]).not.toContain("unsafe");
    expect((await get(new URL("/api/tasks", server.url).href, {})).status).toBe(401);
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS"]) {
      expect((await ask("/api/tasks", {}, method)).status).toBe(405);
    }
    expect((await ask("/api/tasks", { host: "evil.example" })).status).toBe(421);
    expect((await ask("/api/live", { origin: "http://evil.example" })).status).toBe(403);
    expect((await ask("/..%2f..%2fpackage.json")).status).toBe(404);
  });
});
