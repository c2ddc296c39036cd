/** Memory that this process shares with the kernel: mmap(2). */
import { libc } from "./bindings.ts";
import * as k from "./constants.ts";
import { errnoName, kernelError } from "./kernelError.ts";
import { checked } from "./libc.ts";

interface Part {
  /** Of the descriptor's memory, in bytes; whole pages. */
  readonly offset: number;
  readonly bytes: number;
  readonly writable: boolean;
}

/**
 * Maps a part of a descriptor's memory.
 * @returns the memory, which must not be used any more after {@link unmap}
 * @throws DriverError `KERNEL_CALL_FAILED`
 */
export function mapShared(descriptor: number, { offset, bytes, writable }: Part): ArrayBuffer {
  const { mmap, errno, view } = libc();
  const protection = k.PROT_READ | (writable ? k.PROT_WRITE : 0);
  const address = mmap(null, bytes, protection, k.MAP_SHARED, descriptor, offset);
  if (address === MAP_FAILED) throw kernelError("mmap", errnoName(errno()));
  const memory = view(address, bytes);
  mapped.set(memory, { address, bytes });
  return memory;
}

/** munmap(2). */
export function unmap(memory: ArrayBuffer): void {
  const known = mapped.get(memory);
  if (known === undefined) return;
  mapped.delete(memory);
  checked(libc().munmap(known.address, known.bytes), "munmap");
}

const MAP_FAILED = -1n;
const mapped = new WeakMap<ArrayBuffer, { readonly address: bigint; readonly bytes: number }>();
