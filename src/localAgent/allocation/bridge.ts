/**
 * The network of a group in bridge mode: a namespace with a loopback interface, which the group's tasks
 * share. TCP connections to the group's ports on this host are passed on to the namespace. Unlike in a Nomad
 * client's bridge network, tasks cannot connect to anything outside.
 */
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { pipeline } from "node:stream";
import { OwnNetwork } from "../../effects/network/networkNamespace.ts";
import type { Upstream } from "../jobspec/job.ts";
import { type AssignedPort, portTaken } from "./ports.ts";

/** An upstream of the group's tasks, which connect to its port in the namespace. */
export interface PlacedUpstream extends Upstream {
  /** `HOST:PORT` on this host or beyond. */
  readonly address: string;
}

export class Bridge {
  readonly #network: OwnNetwork;
  readonly #servers: Server[] = [];
  readonly #connections = new Set<Socket>();

  private constructor(network: OwnNetwork) {
    this.#network = network;
  }

  /** @throws DriverError `KERNEL_CALL_FAILED`; `JOB_INVALID` if another process has taken a port meanwhile */
  static async open(
    ports: readonly AssignedPort[],
    upstreams: readonly PlacedUpstream[] = [],
  ): Promise<Bridge> {
    const bridge = new Bridge(OwnNetwork.make());
    try {
      for (const port of ports) await bridge.#listen(port);
      for (const upstream of upstreams) await bridge.#listenInside(upstream);
      return bridge;
    } catch (thrown) {
      bridge.close();
      throw thrown;
    }
  }

  /** Path of the namespace. */
  get path(): string {
    return this.#network.path;
  }

  /**
   * @param port within the namespace
   * @throws DriverError if nobody listens there
   */
  connect(port: number): Socket {
    return this.#network.connect(port);
  }

  close(): void {
    for (const server of this.#servers) server.close();
    for (const connection of this.#connections) connection.destroy();
    this.#network.close();
  }

  async #listen({ label, ip, port, inside }: AssignedPort): Promise<void> {
    const server = createServer({ allowHalfOpen: true }, (outer) => {
      let inner: Socket;
      try {
        inner = this.connect(inside);
      } catch {
        // Nobody listens in the namespace. This host has already accepted the connection, so it is reset.
        outer.resetAndDestroy();
        return;
      }
      this.#join(outer, inner);
    });
    this.#servers.push(server);
    server.listen(port, ip);
    try {
      await once(server, "listening");
    } catch (thrown) {
      throw portTaken(label, port, thrown as Error);
    }
  }

  /** Passes connections to an upstream's port in the namespace on to its address outside. */
  async #listenInside({ port, address }: PlacedUpstream): Promise<void> {
    const colon = address.lastIndexOf(":");
    const host = address.slice(0, colon).replace(/^\[(.*)\]$/, "$1");
    const server = createServer({ allowHalfOpen: true }, (inner) =>
      this.#join(inner, connect({ host, port: Number(address.slice(colon + 1)), allowHalfOpen: true })),
    );
    this.#servers.push(server);
    server.listen({ fd: this.#network.bound(port) });
    await once(server, "listening");
  }

  /**
   * Passes on what each of two connections receives to the other. The end of one direction leaves the other
   * direction open. An error ends both directions.
   */
  #join(outer: Socket, inner: Socket): void {
    for (const [from, to] of [
      [outer, inner],
      [inner, outer],
    ] as const) {
      this.#connections.add(from);
      from.once("close", () => this.#connections.delete(from));
      pipeline(from, to, (failed) => {
        if (failed) for (const each of [outer, inner]) each.resetAndDestroy();
      });
    }
  }
}
