/**
 * Passes requests of other processes to a run, by a socket in the run's folder that only root can reach. Each
 * connection carries one request and its answer, as lines of JSON.
 */
import { once } from "node:events";
import { mkdir } from "node:fs/promises";
import { createConnection, createServer, type Socket } from "node:net";
import { dirname, join } from "node:path";
import { z } from "zod";
import { DriverError, errnoOf, isErrorCode } from "../../base/errors.ts";
import { parseJsonOrNothing } from "../../base/json.ts";
import { allScopes, isHeld } from "../allocation/cgroupScope.ts";

/** A request names a task of the run by the task's id. */
const requestSchema = z.union([
  z.object({ restart: z.string() }),
  z.object({
    stop: z.string(),
    /** In place of the task's kill_signal. */
    signal: z.string().optional(),
    /** Milliseconds, in place of the task's kill_timeout. */
    timeoutMs: z.number().optional(),
  }),
]);

export type RunRequest = Readonly<z.infer<typeof requestSchema>>;

const answerSchema = z.object({
  /** Null for success. */
  error: z.object({ code: z.string(), summary: z.string(), hint: z.string().optional() }).nullable(),
});

export interface RunControl {
  /** Stops listening. Resolves when accepted requests are answered. */
  close(): Promise<void>;
}

/**
 * Listens for requests.
 * @param serve carries out a request. If `serve` throws a DriverError, the client gets this error
 * @throws DriverError `RUN_FOLDER_UNUSABLE`
 */
export async function openControl(
  work: string,
  serve: (request: RunRequest) => Promise<void>,
): Promise<RunControl> {
  const path = socketPath(work);
  const served = new Set<Promise<void>>();
  const server = createServer(
    (socket) =>
      void answer(socket, (request) => {
        const serving = serve(request).finally(() => served.delete(serving));
        served.add(serving);
        return serving;
      }),
  );
  // A connection must not keep the run alive after the end of its tasks.
  server.unref();
  try {
    await mkdir(dirname(path), { mode: 0o700 });
    server.listen(path);
    await once(server, "listening");
  } catch (thrown) {
    throw DriverError.from(thrown, "RUN_FOLDER_UNUSABLE", "the run cannot listen for requests");
  }
  return {
    close: async () => {
      server.close();
      await Promise.allSettled(served);
    },
  };
}

/**
 * Sends a request to the run that owns a work folder. Resolves when the run has carried it out.
 * @throws DriverError `PLUGIN_FAILED` if the run has ended or cannot be reached from here, or the run's own error
 */
export async function askRun(work: string, request: RunRequest): Promise<void> {
  const socket = createConnection(socketPath(work));
  try {
    await once(socket, "connect");
    socket.write(`${JSON.stringify(request)}\n`);
    const line = await firstLine(socket);
    const { data } = answerSchema.safeParse(parseJsonOrNothing(line ?? ""));
    if (data === undefined) throw hasEnded();
    if (data.error === null) return;
    const { code, summary, hint } = data.error;
    throw new DriverError(isErrorCode(code) ? code : "PLUGIN_FAILED", summary, { hint });
  } catch (thrown) {
    const errno = errnoOf(thrown) ?? "";
    if (errno === "ENOENT" && isAlive(work)) throw isElsewhere();
    if (["ECONNREFUSED", "ECONNRESET", "ENOENT", "EPIPE"].includes(errno)) throw hasEnded();
    throw DriverError.from(thrown, "PLUGIN_FAILED", "the run cannot be reached");
  } finally {
    socket.destroy();
  }
}

async function answer(socket: Socket, serve: (request: RunRequest) => Promise<void>): Promise<void> {
  // The client may have disconnected.
  socket.unref().on("error", () => socket.destroy());
  const line = await firstLine(socket).catch(() => undefined);
  const request = requestSchema.safeParse(parseJsonOrNothing(line ?? ""));
  if (!request.success) return void socket.destroy();
  try {
    await serve(request.data);
    socket.end(`${JSON.stringify({ error: null })}\n`);
  } catch (thrown) {
    const { code, summary, hint } = DriverError.from(thrown, "PLUGIN_FAILED", "the run failed");
    socket.end(`${JSON.stringify({ error: { code, summary, hint } })}\n`);
  }
}

/**
 * Reads the first line. Undefined if the connection ends within the line, or if the line is longer than any
 * request or answer.
 */
async function firstLine(socket: Socket): Promise<string | undefined> {
  let text = "";
  for await (const chunk of socket.setEncoding("utf8").iterator({ destroyOnReturn: false })) {
    text += chunk;
    if (text.includes("\n")) return text.slice(0, text.indexOf("\n"));
    if (text.length > maxLine) return undefined;
  }
  return undefined;
}

const maxLine = 64 * 1024;

/** Whether the run holds a cgroup, which every mount namespace of the host shows. */
function isAlive(work: string): boolean {
  return allScopes().some((scope) => scope.owner?.work === work && isHeld(scope));
}

function isElsewhere(): DriverError {
  return new DriverError("PLUGIN_FAILED", "the run of this task is in another mount namespace", {
    hint: "Call this where the run was started, such as in its container or in its unit with PrivateTmp",
  });
}

function hasEnded(): DriverError {
  return new DriverError("PLUGIN_FAILED", "the run of this task has ended", {
    hint: "If the run was killed, nomad-driver-exec2 clean removes what it left",
  });
}

function socketPath(work: string): string {
  return join(work, "control", "socket");
}
