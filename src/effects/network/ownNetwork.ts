/**
 * A network namespace with only a loopback interface. This thread enters it for a few synchronous system
 * calls at a time, so no other code runs in it. Sockets stay in the namespace in which they were made. The
 * namespace ends with its last descriptor and process.
 */
import { closeSync, openSync } from "node:fs";
import { Socket } from "node:net";
import { AF_INET, CLONE_NEWNET, IFF_UP, SIOCSIFFLAGS, SOCK_DGRAM, SOCK_STREAM } from "../kernel/constants.ts";
import { connectToLoopback, ioctl, setns, socket, unshare } from "../kernel/libc.ts";
import { interfaceFlags } from "../kernel/structs.ts";

export class OwnNetwork {
  readonly #descriptor: number;

  private constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  /** @throws DriverError `KERNEL_CALL_FAILED` */
  static make(): OwnNetwork {
    return restoringNamespace(() => {
      unshare(CLONE_NEWNET);
      raiseLoopback();
      return new OwnNetwork(openSync(ofThisThread, "r"));
    });
  }

  /** Path of the namespace, for root, until {@link OwnNetwork.close}. */
  get path(): string {
    return `/proc/${process.pid}/fd/${this.#descriptor}`;
  }

  /**
   * Connects to a port on the namespace's loopback address.
   * @throws DriverError `KERNEL_CALL_FAILED` if nobody listens there
   */
  connect(port: number): Socket {
    const made = restoringNamespace(() => {
      setns(this.#descriptor, CLONE_NEWNET);
      return socket(AF_INET, SOCK_STREAM);
    });
    try {
      connectToLoopback(made, port);
      return new Socket({ fd: made, readable: true, writable: true, allowHalfOpen: true });
    } catch (thrown) {
      closeSync(made);
      throw thrown;
    }
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}

const ofThisThread = "/proc/thread-self/ns/net";

/** Runs work that changes this thread's network namespace, and then restores the namespace. */
function restoringNamespace<T>(work: () => T): T {
  const before = openSync(ofThisThread, "r");
  try {
    return work();
  } finally {
    setns(before, CLONE_NEWNET);
    closeSync(before);
  }
}

function raiseLoopback(): void {
  const any = socket(AF_INET, SOCK_DGRAM);
  try {
    ioctl(any, SIOCSIFFLAGS, interfaceFlags("lo", IFF_UP));
  } finally {
    closeSync(any);
  }
}
