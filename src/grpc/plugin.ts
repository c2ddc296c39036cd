/** A plugin's process, from the handshake to its end. */
import { writeSync } from "node:fs";
import type { Socket } from "node:net";
import { dirname } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { AskForFolder, DriverPort } from "../driver/driverPort.ts";
import { messageOf } from "../errors.ts";
import { createLogger, type Logger } from "../log/hclog.ts";
import { DriverSlot } from "./driverSlot.ts";
import { handshakeLine, readLaunch } from "./handshake.ts";
import { guardProcess } from "./processGuard.ts";
import { type Listener, listen, removeDeadSockets } from "./socket.ts";

/** Milliseconds for the answer to Shutdown to leave the process. */
const answerMs = 20;

/** Milliseconds for the driver to let go of what it holds; agents kill a plugin 2 s after they asked it to end. */
const shutdownLimitMs = 1_000;

/** So that the node is ready, and its tasks are taken over, before anything is tidied up. */
const tidyAfterMs = 1_000;

const standardOutput = 1;

/**
 * Serves an agent until it says otherwise. Listens and tells so first, and loads
 * everything else while the agent reads that and connects.
 * @param loadDriver makes the driver; called once, when a call first needs it
 */
export async function servePlugin(
  loadDriver: (log: Logger, socketPath: string, askForFolder: AskForFolder) => Promise<DriverPort>,
): Promise<void> {
  const log = createLogger("exec2");
  guardProcess(log);
  try {
    const listener = await listen(readLaunch(process.env));
    const slot = new DriverSlot(() => {
      setTimeout(() => void tidyUp(listener, log), tidyAfterMs).unref();
      return loadDriver(log, listener.path, askForFolder);
    });
    await serve(listener, slot, log);
  } catch (thrown) {
    log.error("the plugin cannot serve its agent", { error: messageOf(thrown) });
    await log.flush();
    process.exit(1);
  }
}

const askForFolder: AskForFolder = async (folder, signal) =>
  (await import("./askForFolder.ts")).askForFolder(folder, signal);

async function tidyUp({ path }: Listener, log: Logger): Promise<void> {
  try {
    await removeDeadSockets(dirname(path));
  } catch (thrown) {
    log.debug("sockets of plugins that were killed cannot be removed", { error: messageOf(thrown) });
  }
}

async function serve({ server: listening, path }: Listener, slot: DriverSlot, log: Logger): Promise<void> {
  const connections = new Set<Socket>();
  const ending = new AbortController();
  const end = () => ending.abort();
  const letGo = async () => {
    listening.close();
    await letGoOf(slot, log);
  };
  ending.signal.addEventListener("abort", () => void endProcess(connections, letGo, log));
  process.on("SIGTERM", end);
  writeSync(standardOutput, handshakeLine(path));
  const serving = import("./server.ts").then(({ createServer }) =>
    createServer(slot, log, { connections: () => connections.size, letGo, end }),
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
 * Calls that are still open end with their connection, which tells the agent that
 * the plugin is gone; a status would tell it that they have failed.
 */
async function endProcess(
  connections: Iterable<Socket>,
  letGo: () => Promise<void>,
  log: Logger,
): Promise<void> {
  await delay(answerMs);
  for (const connection of connections) connection.destroy();
  await letGo();
  await log.flush();
  process.exit(0);
}

async function letGoOf(slot: DriverSlot, log: Logger): Promise<void> {
  const finished = slot
    .shutdown()
    .catch((thrown) =>
      log.error("the plugin ends without having let go of all it holds", { error: messageOf(thrown) }),
    );
  await Promise.race([finished, delay(shutdownLimitMs)]);
}
