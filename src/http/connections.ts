/**
 * The open connections, up to a maximum. Anybody on the host can open some and send nothing, or a byte now
 * and then. So a new connection is never refused. It replaces the oldest one without an admitted request; if
 * all have one, the one whose last request is oldest.
 */
import type { Server } from "node:http";
import type { Duplex } from "node:stream";

export class Connections {
  readonly #max: number;
  /** Those that have sent no admitted request yet, in the order in which they came. */
  readonly #strangers = new Set<Duplex>();
  /** The others, in the order of their last request. */
  readonly #admitted = new Set<Duplex>();

  constructor(http: Server, max: number) {
    this.#max = max;
    http.on("connection", (socket: Duplex) => this.#add(socket));
  }

  /** Notes that a request of this connection was let in. */
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
    // Its "close" comes later, and until then it must not be chosen again.
    this.#strangers.delete(oldest);
    this.#admitted.delete(oldest);
    oldest.destroy();
  }
}
