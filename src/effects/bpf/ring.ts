/**
 * Reads a ring (`BPF_MAP_TYPE_RINGBUF`, Documentation/bpf/ringbuf.rst) through shared memory. The kernel keeps the
 * reader's position, so a later process goes on where an earlier one has stopped.
 */
import { mapShared, unmap } from "../kernel/sharedMemory.ts";

/** Kernel and reader each have a page for their positions. */
const POSITION_BYTES = 8;
const HEADER_BYTES = 8;
/** In a record's length: it is not written completely yet; the program has withdrawn it. */
const BUSY = 0x80000000;
const DISCARDED = 0x40000000;

export class Ring implements Disposable {
  readonly #bytes: number;
  readonly #pageBytes: number;
  readonly #consumer: ArrayBuffer;
  readonly #producer: ArrayBuffer;
  readonly #data: Buffer;

  /**
   * @param map a ring's descriptor
   * @param bytes its size
   * @param pageBytes the machine's
   * @throws DriverError `KERNEL_CALL_FAILED`
   */
  constructor(map: number, bytes: number, pageBytes: number) {
    this.#bytes = bytes;
    this.#pageBytes = pageBytes;
    this.#consumer = mapShared(map, { offset: 0, bytes: pageBytes, writable: true });
    try {
      // The kernel maps the data twice in a row, so that each record is in one piece.
      this.#producer = mapShared(map, { offset: pageBytes, bytes: pageBytes + 2 * bytes, writable: false });
    } catch (thrown) {
      unmap(this.#consumer);
      throw thrown;
    }
    this.#data = Buffer.from(this.#producer, pageBytes, 2 * bytes);
  }

  /** Takes records out, the oldest first. @returns copies of at most `max` records */
  take(max: number): Buffer[] {
    const consumed = new BigUint64Array(this.#consumer, 0, POSITION_BYTES / 8);
    const produced = new BigUint64Array(this.#producer, 0, POSITION_BYTES / 8);
    const records: Buffer[] = [];
    let position = Atomics.load(consumed, 0);
    while (records.length < max && position < Atomics.load(produced, 0)) {
      const at = Number(position % BigInt(this.#bytes));
      const length = Atomics.load(new Uint32Array(this.#producer, this.#pageBytes + at, 1), 0);
      if ((length & BUSY) !== 0) break;
      const bytes = (length & ~DISCARDED) >>> 0;
      if ((length & DISCARDED) === 0)
        records.push(Buffer.from(this.#data.subarray(at + HEADER_BYTES, at + HEADER_BYTES + bytes)));
      position += BigInt(Math.ceil((bytes + HEADER_BYTES) / 8) * 8);
      Atomics.store(consumed, 0, position);
    }
    return records;
  }

  [Symbol.dispose](): void {
    unmap(this.#consumer);
    unmap(this.#producer);
  }
}
