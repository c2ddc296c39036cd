/**
 * The open connections, up to a maximum. Anybody on the host can open connections and keep them open with a
 * byte now and then. So refusing new connections at the maximum would lock out everybody else.
 * Instead, a new connection replaces the oldest connection without an admitted request. If all connections
 * have sent an admitted request, the new connection replaces the one whose last admitted request is the
 * oldest.
 */
import type { Server } from "node:http";
import type { Duplex } from "node:stream";

export class Connections {
  readonly #max: number;
  /** Connections without an admitted request so far, in the order in which they were opened. */
  readonly #strangers = new Set<Duplex>();
  /** The other connections, in the order of their last admitted request. */
  readonly #admitted = new Set<Duplex>();

  constructor(http: Server, max: number) {
    this.#max = max;
    http.on("connection", (socket: Duplex) => this.#add(socket));
  }

  /** Records that a request of this connection was admitted. */
  admit(socket: Duplex): void {
    if (socket.destroyed) return;
    this.#strangers.delete(socket);
    this.#admitted.delete(socket);
    this.#admitted.add(socket);
  }

  #add(socket: Duplex): void {
    if (this.#strangers.size + this.#admitted.size >= this.#max) this.#closeOne();
    this.#strangers.add(socket);
    socket.once("close", () => {
      this.#strangers.delete(socket);
      this.#admitted.delete(socket);
    });
  }

  #closeOne(): void {
    const [oldest] = this.#strangers.size > 0 ? this.#strangers : this.#admitted;
    if (oldest === undefined) return;
    // The event "close" follows later. Until then this connection must not be chosen again.
    this.#strangers.delete(oldest);
    this.#admitted.delete(oldest);
    oldest.destroy();
  }
}
