/** Runs the plugin's gRPC server in the test's process, on a real unix socket. */
import { mkdtempSync, rmSync } from "node:fs";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { DriverPort } from "../../../src/driver/driverPort.ts";
import { AnswersUnderWay } from "../../../src/grpc/answersUnderWay.ts";
import { DriverSlot, type LoadDriver } from "../../../src/grpc/driverSlot.ts";
import { connectPlugin, type PluginConnection } from "../../../src/grpc/pluginClient.ts";
import { createServer } from "../../../src/grpc/server.ts";
import { listen } from "../../../src/grpc/socket.ts";
import { type LogLine, recordingLogger } from "../recordingLogger.ts";

export interface ServedInProcess extends PluginConnection {
  readonly socketPath: string;
  /** The server's log lines. */
  readonly logged: readonly LogLine[];
  /** How often the server has tried to end the process. */
  readonly ended: () => number;
  /** Breaks all connections, as the death of an agent does. */
  readonly breakConnections: () => void;
}

/** Serves a driver, or the driver that a loader returns, until the test has finished. */
export async function serveInProcess(driver: DriverPort | LoadDriver): Promise<ServedInProcess> {
  const folder = mkdtempSync(join(tmpdir(), "serve-"));
  const { server: listening, path } = await listen({ folder, group: undefined });
  const logger = recordingLogger();
  const load = typeof driver === "function" ? driver : async () => driver;
  let ended = 0;
  const sockets = new Set<Socket>();
  const slot = new DriverSlot(load);
  const serve = createServer(slot, logger, {
    answers: new AnswersUnderWay(),
    connections: () => sockets.size,
    release: () => slot.shutdown(),
    end: () => {
      ended += 1;
    },
  });
  listening.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    serve(socket);
  });
  const breakConnections = () => {
    for (const socket of sockets) socket.destroy();
  };
  const connection = connectPlugin(path);
  onTestFinished(() => {
    connection.disconnect();
    breakConnections();
    listening.close();
    rmSync(folder, { recursive: true });
  });
  return { ...connection, socketPath: path, logged: logger.lines, ended: () => ended, breakConnections };
}
