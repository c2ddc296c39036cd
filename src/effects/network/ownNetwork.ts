/**
 * A network namespace with nothing but a loopback interface, made and entered by this
 * thread for the length of a few system calls: nothing else runs on it meanwhile, and
 * sockets stay in the namespace that they were made in. It ends with its last
 * descriptor and process, so nothing of it is left behind.
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
    return comingBack(() => {
      unshare(CLONE_NEWNET);
      raiseLoopback();
      return new OwnNetwork(openSync(ofThisThread, "r"));
    });
  }

  /** Leads there for root, as long as this process keeps it. */
  get path(): string {
    return `/proc/${process.pid}/fd/${this.#descriptor}`;
  }

  /**
   * A connection to a port of its loopback address.
   * @throws DriverError `KERNEL_CALL_FAILED` if nobody listens there
   */
  connect(port: number): Socket {
    const made = comingBack(() => {
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

/** Does what changes this thread's namespace, and returns to the one before. */
function comingBack<T>(work: () => T): T {
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
