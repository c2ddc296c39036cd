/** How answers and the live stream travel: compressed, the newest tasks first, and with a sign of life. */

import type { AddressInfo } from "node:net";
import { connect, createServer, type Socket } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import type { LiveMessage } from "../../src/inspector/views/answers.ts";
import { event, life } from "../support/history/history.ts";
import { eventually } from "../support/host/eventually.ts";
import { openPage } from "../support/screen/browserPage.ts";
import { admission, type Inspected, idOf, startInspector } from "../support/screen/inspector.ts";

const tasks = 1_000;

async function withTasks(): Promise<Inspected> {
  const inspected = await startInspector();
  for (let number = 1; number <= tasks; number++) {
    await inspected.record(idOf(number, `task${number}`), [event("requested")]);
  }
  await eventually(async () => {
    expect(JSON.parse((await inspected.ask("/api/tasks")).body)).toHaveLength(tasks);
  });
  return inspected;
}

describe("an answer", () => {
  it("is compressed for clients that take gzip, and is the same then", async () => {
    const { server } = await withTasks();
    const asked = async (encoding: string, path = "/api/tasks") => {
      const headers = { ...admission(server.url), "accept-encoding": encoding };
      // fetch() decodes by itself.
      const answer = await fetch(new URL(path, server.url), { headers });
      return {
        coding: answer.headers.get("content-encoding"),
        length: answer.headers.get("content-length"),
        text: await answer.text(),
      };
    };
    const plain = await asked("identity");
    const packed = await asked("gzip, br");
    expect(plain.coding).toBeNull();
    expect(packed.coding).toBe("gzip");
    expect(packed.text).toBe(plain.text);
    expect(Number(packed.length)).toBeLessThan(Number(plain.length) / 5);
    expect((await asked("gzip;q=0")).coding).toBeNull();
    expect((await asked("gzip", "/api/status")).coding).toBeNull();
    expect((await asked("gzip", "/page.js")).coding).toBe("gzip");
    expect((await asked("gzip", "/page.js")).text).toBe((await asked("identity", "/page.js")).text);
  });
});

/** Reads the live stream until the client has all rows. */
async function follow({ server }: Inspected, encoding: string) {
  const closing = new AbortController();
  const headers = { ...admission(server.url), "accept-encoding": encoding };
  const { body } = await fetch(new URL("/api/live", server.url), { headers, signal: closing.signal });
  const messages: LiveMessage[] = [];
  let rest = "";
  for await (const text of body?.pipeThrough(new TextDecoderStream()) ?? []) {
    const parts = (rest + text).split("\n\n");
    rest = parts.pop() ?? "";
    messages.push(
      ...parts.filter((part) => part !== ":").map((part) => JSON.parse(part.slice(6)) as LiveMessage),
    );
    if (messages.some((message) => message.kind === "rows" && message.isAll)) break;
  }
  closing.abort();
  return messages;
}

describe("the live stream", () => {
  it.each(["identity", "gzip"])(
    "has the newest tasks first, then the status, then the others (%s)",
    async (encoding) => {
      const inspected = await withTasks();
      const messages = await follow(inspected, encoding);
      expect(messages.slice(0, 3).map(({ kind }) => kind)).toEqual(["reset", "rows", "status"]);
      const rows = messages.flatMap((message) => (message.kind === "rows" ? message.rows : []));
      expect(rows.map(({ task }) => task)).toEqual(
        Array.from({ length: tasks }, (_, index) => `task${tasks - index}`),
      );
      expect(messages[0]).toMatchObject({ kind: "reset", count: tasks });
    },
  );

  it("lets the page see that the server was stopped, although its connection stays open", async (context) => {
    const { server, record } = await startInspector();
    await record(idOf(1), life("ended"));
    const { hostname, port } = new URL(server.url);
    const sockets: Socket[] = [];
    const proxy = createServer((client) => {
      const upstream = connect(Number(port), hostname);
      sockets.push(client, upstream);
      for (const [from, to] of [
        [client, upstream],
        [upstream, client],
      ] as const) {
        from.pipe(to);
        from.on("error", () => to.destroy());
      }
    });
    await new Promise<void>((listening) => proxy.listen(0, "127.0.0.1", listening));
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy();
      proxy.close();
    });
    const through = new URL(server.url);
    through.port = String((proxy.address() as AddressInfo).port);
    const page = await openPage(context, through.href);
    await page.locator(".row", { hasText: "Completed" }).waitFor();
    await page.locator(".link.on").waitFor();
    for (const socket of sockets) socket.unpipe();
    await page.getByText("The inspector does not answer.").waitFor();
  });
});
