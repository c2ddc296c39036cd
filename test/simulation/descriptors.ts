/** The descriptors of a simulated process, and the errors of its calls. */
import { type Cgroup, type Fifo, type File, type Kernel, type Process, ReleasePipe } from "./kernel.ts";

/** What a descriptor is open for. */
type Node = File | Fifo | ReleasePipe | ReadEnd | Process | Cgroup | KernelObject | "other";

/** What bpf(2) makes. */
export interface KernelObject {
  readonly id: number;
}

/** The end of a pipe that its plugin hands on. */
export class ReadEnd {
  readonly pipe: ReleasePipe;

  constructor(pipe: ReleasePipe) {
    this.pipe = pipe;
    pipe.readers.add(this);
  }
}

/** Descriptors of one plugin process. */
export class Descriptors {
  readonly #open = new Map<number, Node>();
  readonly #kernel: Kernel;
  #next = 20;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  add(node: Node): number {
    const number = this.#next++;
    this.#open.set(number, node);
    return number;
  }

  get(number: number): Node {
    const node = this.#open.get(number);
    if (node === undefined) throw errno("EBADF", "read", String(number));
    return node;
  }

  /** @returns what was open */
  close(number: number): Node {
    const node = this.get(number);
    this.#open.delete(number);
    if (node instanceof ReadEnd) node.pipe.readers.delete(node);
    if (node instanceof ReleasePipe) {
      node.closed = true;
      this.#kernel.changed(node);
    }
    return node;
  }

  get numbers(): number[] {
    return [...this.#open.keys()];
  }

  get size(): number {
    return this.#open.size;
  }
}

export function errno(code: string, syscall: string, path?: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: ${syscall} ${path ?? ""}`), {
    code,
    syscall,
    ...(path && { path }),
  });
}
