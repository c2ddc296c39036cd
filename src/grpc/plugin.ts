/** The plugin's process, from the handshake to its end. */
import { writeSync } from "node:fs";
import type { Socket } from "node:net";
import { dirname } from "node:path";
import { setTimeout as delay, setImmediate as nextTurn } from "node:timers/promises";
import { format } from "node:util";
import { messageOf } from "../base/errors.ts";
import { createLogger, type Logger, stackOf } from "../base/hclog.ts";
import type { DriverPort, RequestHandOver } from "../driver/driverPort.ts";
import { AnswersUnderWay } from "./answersUnderWay.ts";
import { DriverSlot } from "./driverSlot.ts";
import { handshakeLine, readLaunch } from "./handshake.ts";
import { onLauncherExit, startCleaning } from "./lifeline.ts";
import { type Listener, listen, removeDeadSockets } from "./socket.ts";

/** Maximum milliseconds until answers that are under way are given, such as the one to Shutdown. */
const answersMs = 500;

/**
 * Turns of the event loop in which a given answer is written: its headers, its message and its trailers follow
 * each other in two. A time would be over too early on a busy machine.
 */
const writingTurns = 20;

/**
 * Milliseconds for the driver to release its resources. Agents kill a plugin 2 s after asking it to end, and
 * answers come before.
 */
const shutdownLimitMs = 1_000;

/**
 * Milliseconds until the plugin removes old sockets. By then the node should be ready, and its tasks
 * recovered.
 */
const tidyAfterMs = 1_000;

const standardOutput = 1;

const consoleMethods = ["debug", "error", "info", "log", "trace", "warn"] as const;

/**
 * Serves an agent until it asks the plugin to end. Listens and prints the handshake
 * first, and loads everything else while the agent connects.
 * @param loadDriver creates the driver; called once, by the first call that needs it
 */
export async function servePlugin(
  loadDriver: (log: Logger, socketPath: string, requestHandOver: RequestHandOver) => Promise<DriverPort>,
): Promise<void> {
  const log = createLogger("exec2", process.stderr.fd);
  guardProcess(log);
  try {
    const listener = await listen(readLaunch(process.env));
    const slot = new DriverSlot(() => {
      setTimeout(() => void tidyUp(listener, log), tidyAfterMs).unref();
      return loadDriver(log, listener.path, requestHandOver);
    });
    await serve(listener, slot, log);
  } catch (thrown) {
    log.error("the plugin cannot serve its agent", { error: messageOf(thrown) });
    await log.flush();
    process.exit(1);
  }
}

/**
 * Logs failures that would otherwise end the process, and texts that would be printed. Tasks survive the end
 * of the plugin, but its agent would lose contact with all of them for a while.
 */
function guardProcess(log: Logger): void {
  // Ctrl-C reaches the agent's whole process group, and so does a hangup of its terminal. The agent decides
  // what to do.
  process.on("SIGINT", () => log.trace("interrupt ignored: the agent decides when a plugin ends"));
  process.on("SIGHUP", () => log.trace("hangup ignored: the agent decides when a plugin ends"));
  process.on("uncaughtException", (thrown) => log.error("unexpected failure", { error: stackOf(thrown) }));
  process.on("unhandledRejection", (thrown) => log.error("unexpected failure", { error: stackOf(thrown) }));
  // Node's own listener prints warnings.
  process.removeAllListeners("warning");
  process.on("warning", ({ name, message }) =>
    log.warn("the runtime warns", { warning: name, text: message }),
  );
  // The agent reads standard output: only the handshake may appear there.
  for (const method of consoleMethods) {
    console[method] = (...args: unknown[]) =>
      log.debug("a library prints", { method, text: format(...args) });
  }
}

const requestHandOver: RequestHandOver = async (folder, signal) =>
  (await import("./requestHandOver.ts")).requestHandOver(folder, signal);

async function tidyUp({ path }: Listener, log: Logger): Promise<void> {
  try {
    await removeDeadSockets(dirname(path));
  } catch (thrown) {
    log.debug("sockets of plugins that were killed cannot be removed", { error: messageOf(thrown) });
  }
}

async function serve({ server: listening, path }: Listener, slot: DriverSlot, log: Logger): Promise<void> {
  const connections = new Set<Socket>();
  const answers = new AnswersUnderWay();
  const ending = new AbortController();
  const end = () => ending.abort();
  const release = async () => {
    listening.close();
    await shutDown(slot, log);
  };
  ending.signal.addEventListener("abort", () => void endProcess(answers, connections, release, log));
  process.on("SIGTERM", end);
  onLauncherExit(process.env, () => {
    process.once("exit", () => startCleaning(process.env));
    end();
  });
  writeSync(standardOutput, handshakeLine(path));
  const serving = import("./server.ts").then(({ createServer }) =>
    createServer(slot, log, { answers, connections: () => connections.size, release, end }),
  );
  listening.on("connection", (connection) => {
    connections.add(connection);
    connection.on("error", () => connection.destroy());
    connection.on("close", () => connections.delete(connection));
    serving.then((serveConnection) => serveConnection(connection)).catch(() => connection.destroy());
  });
  await serving;
}

/**
 * Calls that wait for something else than the plugin end with their connections. Agents then know that the plugin
 * has ended. If the calls ended with a status, agents would assume that the calls have failed.
 */
async function endProcess(
  answers: AnswersUnderWay,
  connections: Iterable<Socket>,
  release: () => Promise<void>,
  log: Logger,
): Promise<void> {
  await Promise.race([answers.given(), delay(answersMs)]);
  for (let turn = 0; turn < writingTurns; turn += 1) await nextTurn();
  for (const connection of connections) connection.destroy();
  await release();
  await log.flush();
  process.exit(0);
}

async function shutDown(slot: DriverSlot, log: Logger): Promise<void> {
  const finished = slot
    .shutdown()
    .catch((thrown) =>
      log.error("the plugin ends without having released everything", { error: messageOf(thrown) }),
    );
  await Promise.race([finished, delay(shutdownLimitMs)]);
}
