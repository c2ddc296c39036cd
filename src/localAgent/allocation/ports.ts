/** Assigns the ports of a job's network block, on the loopback address. */
import { createServer, type Server } from "node:net";
import { DriverError, errnoOf } from "../../base/errors.ts";
import type { PortRequest } from "../jobspec/job.ts";

export interface AssignedPort {
  readonly label: string;
  readonly ip: string;
  /** The port on the host. */
  readonly port: number;
  /** The port on which the task listens. Differs from `port` only if the group has a network of its own. */
  readonly inside: number;
}

/** Ports of a local run are reachable only from this host. */
const loopback = "127.0.0.1";

/**
 * Assigns free ports, and checks that static ones are free.
 * @param taken ports that are already assigned, even if no task listens on them yet; the new ports are added
 * @throws DriverError `JOB_INVALID` if a static port is in use
 */
export async function assignPorts(
  requests: readonly PortRequest[],
  taken = new Set<number>(),
): Promise<AssignedPort[]> {
  // All sockets stay open until every port is assigned, so that no port is assigned twice.
  const servers: Server[] = [];
  try {
    const assigned: AssignedPort[] = [];
    // Static ports come first, so that a dynamic port cannot take one of them.
    for (const { label, static: requested = 0, to } of requests.toSorted(
      (a, b) => (b.static ?? 0) - (a.static ?? 0),
    )) {
      let port: number;
      do {
        const server = createServer();
        servers.push(server);
        port = await listen(server, label, requested);
      } while (requested === 0 && taken.has(port));
      taken.add(port);
      assigned.push({ label, ip: loopback, port, inside: to ?? port });
    }
    return assigned;
  } finally {
    for (const server of servers) server.close();
  }
}

async function listen(server: Server, label: string, port: number): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", (thrown) => reject(portTaken(label, port, thrown)));
    server.listen(port, loopback, resolve);
  });
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : port;
}

/** The error for a port on which this process cannot listen. */
export function portTaken(label: string, port: number, cause: Error): DriverError {
  return new DriverError("JOB_INVALID", `port ${label} (${port}) cannot be used`, {
    failed: { call: "listen", path: `${loopback}:${port}`, errno: errnoOf(cause) ?? cause.message },
    hint: `Stop the program that listens there, or leave out static = ${port} to get a free port`,
    cause,
  });
}
