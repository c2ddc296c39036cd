/** Ports of a job's network block, on the loopback address. */
import { createServer, type Server } from "node:net";
import { DriverError, errnoOf } from "../../errors.ts";
import type { PortRequest } from "../../jobspec/job.ts";

export interface AssignedPort {
  readonly label: string;
  readonly ip: string;
  readonly port: number;
}

/** A local run serves this host alone. */
const loopback = "127.0.0.1";

/**
 * Finds free ports, and sees that static ones are free.
 * @throws DriverError `JOB_INVALID` for a static port that is taken
 */
export async function assignPorts(requests: readonly PortRequest[]): Promise<AssignedPort[]> {
  // All are held until all are found: otherwise one could be handed out twice.
  const servers: Server[] = [];
  try {
    const assigned: AssignedPort[] = [];
    // Static ones first: a dynamic one must not take their place.
    for (const { label, static: wanted = 0 } of requests.toSorted(
      (a, b) => (b.static ?? 0) - (a.static ?? 0),
    )) {
      const server = createServer();
      servers.push(server);
      assigned.push({ label, ip: loopback, port: await listen(server, label, wanted) });
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

function portTaken(label: string, port: number, cause: Error): DriverError {
  return new DriverError("JOB_INVALID", `port ${label} (${port}) cannot be had`, {
    failed: { call: "listen", path: `${loopback}:${port}`, errno: errnoOf(cause) ?? cause.message },
    hint: `Stop what listens there, or leave out static = ${port} for a free port`,
    cause,
  });
}
