/**
 * Checks the network namespace that the agent made for an allocation. Without an agent, makes a namespace
 * itself.
 */
import { closeSync, openSync, statfsSync } from "node:fs";
import { Socket } from "node:net";
import { DriverError, errnoOf } from "../../base/errors.ts";
import {
  AF_INET,
  CLONE_NEWNET,
  IFF_UP,
  NSFS_MAGIC,
  SIOCSIFFLAGS,
  SOCK_DGRAM,
  SOCK_STREAM,
} from "../kernel/constants.ts";
import { ioctl, setns, unshare } from "../kernel/libc.ts";
import { bindToLoopback, connectToLoopback, socket } from "../kernel/sockets.ts";
import { interfaceFlags } from "../kernel/structs.ts";
import type { TaskNetwork } from "./network.ts";

/**
 * Checks the namespace's path, for a clear error. Without the check, a missing path, or a plain file in place
 * of the mounted namespace, would fail the launch with little more than an errno. When the task joins the
 * namespace, the kernel checks that it is a *network* namespace.
 * @throws DriverError `NETWORK_NAMESPACE_INVALID`
 */
export function checkNetworkNamespace({ mode, path }: Pick<TaskNetwork, "mode" | "path">): void {
  if (path === "") {
    if (mode === "group") throw invalid("the agent names no network namespace for the allocation");
    return;
  }
  if (typeAt(path) !== NSFS_MAGIC) throw invalid(`${path} is not a network namespace`);
}

function typeAt(path: string): number {
  try {
    return statfsSync(path).type;
  } catch (thrown) {
    throw invalid("the allocation's network namespace does not exist", {
      failed: { call: "statfs", path, errno: errnoOf(thrown) ?? String(thrown) },
      cause: thrown,
    });
  }
}

function invalid(summary: string, options = {}): DriverError {
  return new DriverError("NETWORK_NAMESPACE_INVALID", summary, {
    ...options,
    hint: "A reboot of the host removes network namespaces: stop the allocation, so that Nomad replaces it",
  });
}

/**
 * A network namespace with only a loopback interface. This thread enters it for a few synchronous system
 * calls at a time, so no other code runs in it. A socket stays in the namespace in which it was made. The
 * kernel removes the namespace once no descriptor and no process uses it.
 */
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

  /** Path of the namespace. Only root can use it, and only until {@link OwnNetwork.close}. */
  get path(): string {
    return `/proc/${process.pid}/fd/${this.#descriptor}`;
  }

  /**
   * Connects to a port on the namespace's loopback address.
   * @throws DriverError `KERNEL_CALL_FAILED` if nobody listens there
   */
  connect(port: number): Socket {
    const made = this.#socket();
    try {
      connectToLoopback(made, port);
      return new Socket({ fd: made, readable: true, writable: true, allowHalfOpen: true });
    } catch (thrown) {
      closeSync(made);
      throw thrown;
    }
  }

  /**
   * A socket for a server that listens on the namespace's loopback address. The caller closes it.
   * @throws DriverError `KERNEL_CALL_FAILED` if the port is in use
   */
  bound(port: number): number {
    const made = this.#socket();
    try {
      bindToLoopback(made, port);
      return made;
    } catch (thrown) {
      closeSync(made);
      throw thrown;
    }
  }

  close(): void {
    closeSync(this.#descriptor);
  }

  #socket(): number {
    return inNetworkOf(this.#descriptor, () => socket(AF_INET, SOCK_STREAM));
  }
}

/**
 * Runs synchronous work in a network namespace. A socket that it makes stays there.
 * @param descriptor of the namespace, or a pidfd of a process in it
 * @throws DriverError `KERNEL_CALL_FAILED`, or what the work throws
 */
export function inNetworkOf<T>(descriptor: number, work: () => T): T {
  return restoringNamespace(() => {
    setns(descriptor, CLONE_NEWNET);
    return work();
  });
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
