/** The file of times that a run's logger keeps beside a log file, as its listings write it. Pure. */
import { capacityFor, olderBytes } from "../../../src/effects/logs/logTimes.ts";

/** Output that was moved at a time, in ms since the epoch. */
export interface Move {
  readonly at: number;
  readonly bytes: number;
}

/** @param begin size of the file before the first move */
export function notedTimes(moves: readonly Move[], maxFileBytes: number, begin = 0): Buffer {
  const capacity = capacityFor(maxFileBytes);
  const ring: [number, number][] = [];
  const older: [number, number][] = [];
  let [offset, noted, recent, olderAt] = [begin, 0, 0, -olderBytes];
  for (const { at, bytes } of moves) {
    if (at < noted || at - noted >= 1000) {
      noted = at;
      ring[recent++ % capacity] = [offset, at];
      if (offset - olderAt >= olderBytes) {
        olderAt = offset;
        older.push([offset, at]);
      }
    }
    offset += bytes;
  }
  const content = Buffer.alloc(32 + 16 * (older.length > 0 ? capacity + older.length : ring.length));
  const write = (place: number, words: readonly number[]) => {
    for (const [n, word] of words.entries())
      content.writeBigInt64LE(BigInt(word), (place < 0 ? 0 : 32 + 16 * place) + 8 * n);
  };
  write(-1, [capacity, recent, older.length, olderAt]);
  for (const [n, entry] of ring.entries()) write(n, entry);
  for (const [n, entry] of older.entries()) write(capacity + n, entry);
  return content;
}
