/**
 * A page loads, and open pages stay connected, although many other connections send no request, send an
 * unfinished one, or are refused.
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { WebSocket } from "ws";
import { life } from "../support/history/history.ts";
import { admission, get, type Inspected, idOf, startInspector } from "../support/screen/inspector.ts";

const many = 400;

/** The first bytes that a connection sends, by kind. */
const beginnings: Readonly<Record<string, (host: string) => string>> = {
  "that send nothing": () => "",
  "whose request line never ends": () => "GET /",
  "whose headers never end": (host) => `GET / HTTP/1.1\r\nHost: ${host}\r\nX-Slow: `,
  "whose body never comes": (host) => `GET / HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 1000\r\n\r\n`,
  "that were refused and stay": (host) => `GET /api/tasks HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
  "that were refused a WebSocket and stay": (host) =>
    `GET /stately HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
};

/** Opens `count` connections, and returns when the client sees all of them as open. */
async function open({ server }: Inspected, count: number, kind: string): Promise<Socket[]> {
  const { hostname, port, host } = new URL(server.url);
  const sockets = Array.from({ length: count }, () => {
    const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
    socket.on("error", () => {}).resume();
    onTestFinished(() => void socket.destroy());
    return socket;
  });
  await Promise.all(sockets.map((socket) => once(socket, "connect")));
  for (const socket of sockets) socket.write(beginnings[kind]?.(host) ?? "");
  return sockets;
}

/** Opens the printed address and requests the tasks, as a browser does. */
async function look({ server }: Inspected): Promise<string> {
  const headers = admission(server.url);
  expect((await get(server.url, {})).body).toContain("<!doctype html>");
  return (await get(new URL("/api/tasks", server.url).href, headers)).body;
}

describe(`while there are ${many} connections`, () => {
  it.each(Object.keys(beginnings))("%s, a page still loads", async (kind) => {
    const inspected = await startInspector();
    await inspected.record(idOf(1), life("ended"));
    await open(inspected, many, kind);
    expect(JSON.parse(await look(inspected))).toHaveLength(1);
  });

  it("that send a byte now and then, and come again when they are closed, a page still loads", async () => {
    const inspected = await startInspector();
    const { hostname, port, host } = new URL(inspected.server.url);
    let [opened, over] = [0, false];
    onTestFinished(() => {
      over = true;
    });
    const attack = () => {
      if (over) return;
      opened += 1;
      const socket = connect(Number(port), hostname).on("error", () => {});
      socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\nX-Slow: `);
      const drip = setInterval(() => socket.write("x"), 200);
      socket.on("close", () => {
        clearInterval(drip);
        setImmediate(attack);
      });
      onTestFinished(() => void socket.destroy());
    };
    for (let count = 0; count < many; count += 1) attack();
    for (let times = 0; times < 20; times += 1) await look(inspected);
    // Shows that closed connections were opened again. Otherwise, this test would only test idle connections.
    expect(opened).toBeGreaterThan(many);
  });

  it("pages that are already open, and clients of the relay, stay connected", async () => {
    const inspected = await startInspector();
    const address = await inspected.server.relay();
    const client = new WebSocket(address);
    const opened = once(client, "open");
    onTestFinished(() => client.terminate());
    const headers = admission(inspected.server.url);
    const { hostname, port, host } = new URL(inspected.server.url);
    const page = connect(Number(port), hostname).setEncoding("utf8");
    onTestFinished(() => void page.destroy());
    let received = "";
    page.on("data", (text: string) => {
      received += text;
    });
    page.write(`GET /api/live HTTP/1.1\r\nHost: ${host}\r\nAuthorization: ${headers.authorization}\r\n\r\n`);
    await Promise.all([opened, once(page, "data")]);
    await open(inspected, many, "that send nothing");
    await look(inspected);

    const actor = once(client, "message");
    const rows = once(page, "data");
    await inspected.record(idOf(7, "after-them"), life("ended"));
    await Promise.all([actor, rows]);
    expect(received).toContain("after-them");
  });
});
