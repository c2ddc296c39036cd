/** Requests and other bytes that strangers may send to the inspector. */

import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Access, targetOf } from "../../../src/inspector/server/access.ts";
import { Allocations } from "../../../src/inspector/server/allocations.ts";
import { DroppedBundles } from "../../../src/inspector/server/droppedBundles.ts";
import { LogRequests } from "../../../src/inspector/server/logs/logRequests.ts";
import { LogWatch } from "../../../src/inspector/server/logWatch.ts";
import { answerOf } from "../../../src/inspector/server/routes.ts";
import { InspectorServer } from "../../../src/inspector/server/server.ts";
import { TaskIndex } from "../../../src/inspector/server/taskIndex.ts";
import { hold, type Target } from "../target.ts";

const access = new Access();
const index = new TaskIndex();
/** A path where nothing exists. */
const noLog = join(tmpdir(), "exec2-fuzz-no-log");
const watch = new LogWatch(noLog, index, () => undefined);
const allocations = new Allocations(index);
const dropped = new DroppedBundles();
const logs = new LogRequests(index, () => false);

/** Input: lines with a method, a path, and the headers host, origin and authorization. */
export const requests: Target = {
  fuzz: async (bytes) => {
    const [method, url, host, origin, authorization] = bytes.toString("latin1").split("\n");
    const verdict = access.judge({ method, url, headers: { host, origin, authorization } });
    // The input cannot contain the token.
    hold(verdict.kind !== "admitted", `${JSON.stringify(url)} is let in`);
    hold(!access.admitsClient({ url, headers: { host, origin } }), `${JSON.stringify(url)} is admitted`);
    const target = targetOf(url);
    if (target) await answerOf({ index, watch, allocations, logs, dropped }, target, () => true);
  },
  seeds: () => [
    "GET\n/api/task?id=a&from=3\n127.0.0.1:4650\nhttp://127.0.0.1:4650\nBearer x",
    "HEAD\n/?token=abc\nlocalhost",
    "GET\n/stately?token=x&history\n[::1]:1\nhttp://localhost:8080",
    "GET\n//\nlocalhost",
    "GET\nhttp://[\nlocalhost",
    "GET\n/api/moment?id=a&seq=1\nlocalhost",
    "GET\n/api/node\nlocalhost",
  ],
};

let served: Promise<InspectorServer> | undefined;
/** Without new inputs for this long, the server ends, because a listening process would never exit. */
const idleMs = 1_000;
/** Runs between inputs only: an input that waits for the processor keeps its server. */
let idle: NodeJS.Timeout | undefined;

/** Input: bytes sent to the inspector's port. Afterwards the server must still serve the next client. */
export const connections: Target = {
  fuzz: async (bytes) => {
    clearTimeout(idle);
    served ??= listen();
    const inspector = await served;
    const port = Number(new URL(inspector.url).port);
    try {
      await talk(port, bytes);
      const answer = await talk(
        port,
        Buffer.from("GET /api/tasks HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
      );
      hold(answer.startsWith("HTTP/1.1 401 "), `then the server says ${JSON.stringify(answer)}`);
    } finally {
      idle = setTimeout(() => {
        served = undefined;
        void inspector.close();
      }, idleMs);
    }
  },
  seeds: () => [
    "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "GET /stately?token=x HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\x81\x03abc",
    "GET // HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
  ],
};

/** Starts the whole server, without a log. */
async function listen(): Promise<InspectorServer> {
  const inspector = await InspectorServer.start({ path: noLog, host: "127.0.0.1", port: 0 });
  await inspector.relay();
  return inspector;
}

/** Sends bytes, and nothing more. @returns what the server sent until the connection ended */
function talk(port: number, bytes: Buffer): Promise<string> {
  return new Promise((resolve) => {
    let answer = "";
    const socket = connect({ port, host: "127.0.0.1" });
    socket.setEncoding("latin1").on("data", (text: string) => {
      answer += text;
    });
    socket.on("error", () => {}).on("close", () => resolve(answer));
    socket.end(bytes);
  });
}
