/** The inspector's API serves the output of this host's tasks, in limited parts, and no other file. */
import { once } from "node:events";
import { appendFileSync, linkSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { InspectorServer } from "../../../src/inspector/server/server.ts";
import type { LogMatches, LogNews, LogPage } from "../../../src/inspector/views/answers.ts";
import { makeOutput } from "../../support/agent/taskOutput.ts";
import { event, life } from "../../support/history/history.ts";
import { eventually } from "../../support/host/eventually.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { notedTimes } from "../../support/logs/notedTimes.ts";
import { admission, get, type Inspected, idOf, startInspector } from "../../support/screen/inspector.ts";

const id = idOf(1);
const query = `id=${encodeURIComponent(id)}`;

async function withOutput(): Promise<Inspected & { readonly output: ReturnType<typeof makeOutput> }> {
  const inspected = await startInspector();
  const output = makeOutput();
  await inspected.record(id, [event("requested", output.request), ...life("ended").slice(1, 4)]);
  await eventually(async () => expect((await inspected.ask("/api/tasks")).body).toContain("running"));
  return { ...inspected, output };
}

const textsOf = ({ lines }: { readonly lines: readonly { readonly text: string }[] }) =>
  lines.map(({ text }) => text);
const at = ({ index, offset }: LogPage["begin"]) => `${index}:${offset}`;

describe("a log", () => {
  it("is read backwards a page at a time, from its end to its start, through all its files", async () => {
    const { ask, output } = await withOutput();
    const numbered = (from: number, to: number) =>
      Array.from({ length: to - from }, (_, index) => `line ${from + index} ${"x".repeat(40)}`);
    output.write("web.stderr.4", `${numbered(0, 3_000).join("\n")}\n`, 1_000_000);
    output.write("web.stderr.5", `${numbered(3_000, 5_000).join("\n")}\n`, 2_000_000);
    output.write("web.stdout.0", "not this\n");
    const pages: LogPage[] = [];
    let page = JSON.parse((await ask(`/api/log?${query}&stream=stderr`)).body) as LogPage;
    expect(page).toMatchObject({ isEnd: true, isBegin: false });
    pages.push(page);
    while (!page.isBegin) {
      page = JSON.parse(
        (await ask(`/api/log?${query}&stream=stderr&before=${at(page.begin)}`)).body,
      ) as LogPage;
      pages.unshift(page);
      expect(pages.length).toBeLessThan(20);
    }
    expect(pages.flatMap(textsOf)).toEqual(numbered(0, 5_000));
    expect(page.lines[0]).toMatchObject({ source: "file", after: null, before: 1_000_000 });
    expect(pages.at(-1)?.lines.at(-1)).toMatchObject({ source: "file", after: 1_000_000, before: 2_000_000 });
    // Then forwards again.
    let forwards: string[] = textsOf(page);
    while (!page.isEnd) {
      page = JSON.parse((await ask(`/api/log?${query}&stream=stderr&from=${at(page.end)}`)).body) as LogPage;
      forwards = [...forwards, ...textsOf(page)];
    }
    expect(forwards).toEqual(numbered(0, 5_000));
  });

  it("of a failed run whose log files are gone is the end that its history has, and is not followed", async () => {
    const inspected = await startInspector();
    const output = makeOutput();
    const kept = { stdout: "", stderr: "one\nlast words\n" };
    await inspected.record(id, [
      event("requested", output.request),
      ...life("ended").slice(1, 4),
      event("exited", { exitCode: 3, kept }),
    ]);
    await eventually(async () => expect((await inspected.ask("/api/tasks")).body).toContain("exit code 3"));
    rmSync(output.request.allocDir, { recursive: true });
    const page = JSON.parse((await inspected.ask(`/api/log?${query}&stream=stderr`)).body) as LogPage;
    expect(page).toMatchObject({ kept: true, isBegin: true, isEnd: true });
    expect(textsOf(page)).toEqual(["one", "last words"]);
    expect(JSON.parse((await inspected.ask(`/api/log/tail?${query}`)).body)).toEqual({
      ...{ stream: "stderr", lines: ["one", "last words"], problem: null, kept: true },
    });
  });

  it("that the driver's logger has written has its lines' times, also in what a search finds", async () => {
    const { ask, output } = await withOutput();
    output.write("web.stderr.0", "one\ntwo\n");
    const moves = [
      { at: 1_700_000_000_000, bytes: 4 },
      { at: 1_700_000_060_000, bytes: 4 },
    ];
    writeFileSync(join(output.folder, ".web.stderr.0.times"), notedTimes(moves, 2 ** 20));
    const page = JSON.parse((await ask(`/api/log?${query}&stream=stderr`)).body) as LogPage;
    expect(page.lines).toMatchObject(moves.map(({ at }) => ({ source: "noted", after: at })));
    const { body } = await ask(`/api/log/search?${query}&stream=stderr&text=two`);
    expect((JSON.parse(body) as LogMatches).lines).toMatchObject([{ source: "noted", after: moves[1]?.at }]);
  });

  it("with lines longer than a page and bytes that are not text is read in pages of limited size", async () => {
    const { ask, output } = await withOutput();
    output.write("web.stderr.0", `${"y".repeat(500_000)}\nend`);
    const { body } = await ask(`/api/log?${query}&stream=stderr`);
    expect(body.length).toBeLessThan(40_000);
    expect(textsOf(JSON.parse(body) as LogPage).at(-1)).toBe("end");
    output.write("web.stderr.0", `${"y".repeat(200_000)}\n`);
    let [page, pages] = [JSON.parse((await ask(`/api/log?${query}&stream=stderr`)).body) as LogPage, 1];
    for (; !page.isBegin; pages++) {
      page = JSON.parse(
        (await ask(`/api/log?${query}&stream=stderr&before=${at(page.begin)}`)).body,
      ) as LogPage;
      expect(pages).toBeLessThan(5);
    }
    expect(pages).toBe(4);
    writeFileSync(join(output.folder, "web.stderr.0"), Buffer.from([0xff, 0xc3, 0x0a, 0x1b, 0x5b, 0x0a]));
    page = JSON.parse((await ask(`/api/log?${query}&stream=stderr`)).body) as LogPage;
    expect(page.lines).toHaveLength(2);
    const gone = JSON.parse((await ask(`/api/log?${query}&stream=stderr&from=0:99`)).body) as LogPage;
    expect(gone).toMatchObject({ lines: [], isEnd: true });
  });

  it("is searched near its end only, if a task has left a sparse file", async () => {
    const { ask, output } = await withOutput();
    output.write("web.stdout.0", "");
    const file = join(output.folder, "web.stdout.0");
    truncateSync(file, 8 * 2 ** 40);
    appendFileSync(file, "\nneedle\n");
    const { body } = await ask(`/api/log/search?${query}&stream=stdout&text=needle`);
    const found = JSON.parse(body) as LogMatches;
    expect(found).toMatchObject({ more: true });
    expect(textsOf(found)).toEqual(["needle"]);
  });

  it("is searched completely, ignoring case, and the search finds the last lines if many match", async () => {
    const { ask, output } = await withOutput();
    output.write("web.stdout.0", `Needle first\n${"hay\n".repeat(50_000)}`);
    output.write("web.stdout.1", `${"hay\n".repeat(50_000)}the needle last`);
    const search = async (text: string) =>
      JSON.parse((await ask(`/api/log/search?${query}&stream=stdout&text=${text}`)).body) as LogMatches;
    const found = await search("needle");
    expect(found).toMatchObject({ more: false });
    expect(textsOf(found)).toEqual(["Needle first", "the needle last"]);
    const [, last] = found.lines;
    const there = await ask(`/api/log?${query}&stream=stdout&from=${last?.index}:${last?.offset}`);
    expect(textsOf(JSON.parse(there.body) as LogPage)).toEqual(["the needle last"]);
    const many = await search("hay");
    expect(many.more).toBe(true);
    expect(many.lines).toHaveLength(200);
    expect((await ask(`/api/log/search?${query}&text=`)).status).toBe(400);
  });

  it("is followed across files, and lines that arrive in parts are shown complete", async () => {
    const { server, ask, output } = await withOutput();
    output.write("web.stderr.0", "before\n");
    const page = JSON.parse((await ask(`/api/log?${query}&stream=stderr`)).body) as LogPage;
    output.append("web.stderr.0", "between\n");
    const news = await follow(server.url, `${query}&stream=stderr&from=${at(page.end)}`);
    const received = () => news.flatMap(({ lines }) => lines);
    await eventually(() => expect(received()).toMatchObject([{ text: "between", source: "file" }]));
    output.append("web.stderr.0", "half of ");
    await eventually(() => expect(received().at(-1)).toMatchObject({ text: "half of ", source: "seen" }));
    output.append("web.stderr.0", "it\n");
    await eventually(() => expect(received().at(-1)?.text).toBe("half of it"));
    expect(received().at(-1)?.offset).toBe(received().at(-2)?.offset);
    output.append("web.stderr.0", "unfinished");
    await eventually(() => expect(received().at(-1)?.text).toBe("unfinished"));
    output.write("web.stderr.1", "next\n");
    await eventually(() => expect(received().at(-1)).toMatchObject({ text: "next", index: 1, offset: 0 }));
  });
});

describe("a log that the driver writes", () => {
  it("has the run's own lines only, in each direction", async () => {
    const inspected = await startInspector();
    const output = makeOutput();
    output.write("web.stderr.0", "before\nown one\n");
    output.write("web.stderr.1", "own two\nafter\n");
    const request = { ...output.request, logBounds: { maxFiles: 10, maxFileBytes: 4096 } };
    const begunAt = (file: number, bytes: number) =>
      event("sandboxed", { output: { stdout: { file: 0, bytes: 0 }, stderr: { file, bytes } } });
    const [requested, fingerprinted, , ...rest] = life("ended");
    if (requested === undefined || fingerprinted === undefined) throw new Error("no life");
    await inspected.record(id, [event("requested", request), fingerprinted, begunAt(0, 7), ...rest]);
    const page = async (place = "") =>
      JSON.parse((await inspected.ask(`/api/log?${query}&stream=stderr${place}`)).body) as LogPage;
    await eventually(async () => expect((await inspected.ask("/api/tasks")).body).toContain("web"));
    expect(textsOf(await page())).toEqual(["own one", "own two", "after"]);
    // The next run goes on in the same file.
    const next = id.replace(/.{8}$/, "11111111");
    await inspected.record(next, [event("requested", request), event("fingerprinted"), begunAt(1, 8)]);
    await eventually(async () => expect(textsOf(await page())).toEqual(["own one", "own two"]));
    const last = await page();
    expect(last).toMatchObject({ isBegin: true, isEnd: true, begin: { index: 0, offset: 7 } });
    expect(last.files).toMatchObject([
      { index: 0, size: 15, begin: 7 },
      { index: 1, size: 8 },
    ]);
    expect(textsOf(await page("&before=1:0"))).toEqual(["own one"]);
    expect(textsOf(await page("&from=1:0"))).toEqual(["own two"]);
    const { body } = await inspected.ask(`/api/log/search?${query}&stream=stderr&text=e`);
    expect(textsOf(JSON.parse(body) as LogMatches)).toEqual(["own one"]);
  });
});

describe("no other file", () => {
  it("is read through a link that a task has put in its log's place", async () => {
    const { ask, output } = await withOutput();
    const secret = join(temporaryFolder(), "secret");
    writeFileSync(secret, "the host's secret\n");
    output.write("web.stderr.0", "own\n");
    symlinkSync(secret, join(output.folder, "web.stderr.1"));
    linkSync(secret, join(output.folder, "web.stderr.2"));
    const { body } = await ask(`/api/log?${query}&stream=stderr`);
    expect(textsOf(JSON.parse(body) as LogPage)).toEqual(["own"]);
    for (const index of [1, 2]) {
      for (const address of [`from=${index}:0`, `before=${index}:9`]) {
        expect((await ask(`/api/log?${query}&stream=stderr&${address}`)).body).not.toContain("secret");
      }
    }
  });

  it("is read without the token, for tasks of a bundle, or if a job has logs disabled", async () => {
    const { server, ask, record, output } = await withOutput();
    output.write("web.stderr.0", "own\n");
    for (const path of ["log", "log/search", "log/live"]) {
      const address = new URL(`/api/${path}?${query}&text=own&from=0:0`, server.url).href;
      expect((await get(address, {})).status).toBe(401);
    }
    const file = join(temporaryFolder(), "bundle.jsonl");
    writeFileSync(file, (await ask(`/api/bundle?${query}`)).body);
    const other = await InspectorServer.start({ path: file, host: "127.0.0.1", port: 0 });
    onTestFinished(() => other.close());
    const refused = await get(new URL(`/api/log?${query}`, other.url).href, admission(other.url));
    expect(refused).toMatchObject({ status: 404, body: "a bundle has no output of its tasks" });
    const none = { stdoutPath: "/dev/null", stderrPath: "/dev/null" };
    await record(idOf(2), [event("requested", none)]);
    await eventually(async () => {
      const { status, body } = await ask(`/api/log?id=${encodeURIComponent(idOf(2))}`);
      expect([status, body]).toEqual([404, "its job has logs disabled"]);
    });
    expect((await ask("/api/log?id=nothing")).status).toBe(404);
  });
});

/** The messages of the stream so far. */
async function follow(url: string, about: string): Promise<LogNews[]> {
  const headers = admission(url);
  const asked = request(new URL(`/api/log/live?${about}`, url).href, {
    headers,
    agent: false,
  }).end();
  const [response] = await once(asked, "response");
  onTestFinished(() => void asked.destroy());
  expect(response.headers["content-type"]).toContain("text/event-stream");
  const news: LogNews[] = [];
  let rest = "";
  response.setEncoding("utf8").on("data", (text: string) => {
    const parts = (rest + text).split("\n\n");
    rest = parts.pop() ?? "";
    news.push(...parts.map((part) => JSON.parse(part.replace(/^data: /, "")) as LogNews));
  });
  return news;
}
