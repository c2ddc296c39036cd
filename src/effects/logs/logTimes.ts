/**
 * When a task's output was written. Beside each log file, `web.stdout.3`, the driver's logger keeps a file of
 * times, `.web.stdout.3.times`, which Nomad's readers pass over. Pure.
 *
 * An entry says at which time the logger began to move the output from some offset on. It makes one as output
 * comes, at most once a second and none for a line. So output between two entries was written within a second of
 * the first, and a line that follows a silent second has its time to the millisecond. The newest entries are kept
 * in a ring; of older ones, one for each {@link olderBytes} of output. A full file of times takes 0.8 % of a full
 * log file.
 *
 * ```
 * 0       capacity of the ring; entries that it ever got; entries that stay; offset of the last of these
 * 32      the ring: offset and time of each entry
 * behind  the entries that stay
 * ```
 *
 * All are words of eight bytes; times are milliseconds since the epoch, by the host's clock.
 */

/** When a piece of output was written: not before `from`, and not after `until`; ms since the epoch. */
export interface TimeSpan {
  /** 0 if nothing says it. */
  readonly from: number;
  readonly until: number;
}

/** The name of the file of times of a log file. */
export function timesName(logFile: string): string {
  return `.${logFile}.times`;
}

/** Output in bytes between two entries that stay: the logger's listings repeat it. */
export const olderBytes = 4096;
/** Size of an entry. */
const entryBytes = 16;
const headBytes = 32;
/** The most entries in a ring: the logger's listings repeat it. */
export const maxCapacity = 4096;
/** While output comes without a pause, there is an entry for each second. */
const secondMs = 1000;
/** The largest file of times that is read: that of a log file of some 16 GiB. */
export const maxTimesBytes = 64 * 2 ** 20;

/** How many of the newest entries are kept: half of what all entries of a full log file may take. */
export function capacityFor(maxFileBytes: number): number {
  return Math.min(maxCapacity, Math.max(1, Math.floor(maxFileBytes / olderBytes)));
}

interface Entry extends TimeSpan {
  readonly offset: number;
}

/** The times of one log file. */
export class LogTimes {
  static readonly none = new LogTimes([]);
  readonly #entries: readonly Entry[];

  private constructor(entries: readonly Entry[]) {
    this.#entries = entries;
  }

  /** @param content of a file of times; what is not one has no times */
  static parse(content: Uint8Array): LogTimes {
    const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
    const word = (at: number) =>
      at >= 0 && at + 8 <= view.byteLength ? Number(view.getBigUint64(at, true)) : 0;
    const capacity = word(0);
    const [recent, older] = [word(8), word(16)];
    if (capacity < 1 || capacity > maxCapacity) return LogTimes.none;
    const read = (first: number, count: number) =>
      Array.from({ length: Math.min(count, Math.floor(view.byteLength / entryBytes)) }, (_, n) => {
        const at = headBytes + (first + n) * entryBytes;
        return { offset: word(at), at: word(at + 8) };
      }).filter(({ at }) => at > 0);
    const inRing = read(0, Math.min(recent, capacity));
    const ringOffsets = new Set(inRing.map(({ offset }) => offset));
    const all = [...read(capacity, older).filter(({ offset }) => !ringOffsets.has(offset)), ...inRing];
    const sorted = all.sort((one, other) => one.offset - other.offset || one.at - other.at);
    return new LogTimes(
      sorted.map(({ offset, at }, n) => {
        const next = sorted[n + 1]?.at ?? Number.POSITIVE_INFINITY;
        // Each later entry than one of the ring is in the ring, too: until the next, no second passed.
        const until = ringOffsets.has(offset) ? Math.min(next, at + secondMs) : next;
        return { offset, from: at, until: Math.max(at, until) };
      }),
    );
  }

  /** When the byte at an offset of the log file was written; undefined if nothing says it. */
  at(offset: number): TimeSpan | undefined {
    const entry = this.#entries[this.#indexAt(offset)];
    if (entry !== undefined) return { from: entry.from, until: entry.until };
    const [first] = this.#entries;
    return first && { from: 0, until: first.from };
  }

  /** The offset before which nothing was written at or after a time; undefined if all was written before it. */
  since(time: number): number | undefined {
    const [first] = this.#entries;
    if (first === undefined || first.from >= time) return 0;
    return this.#entries.find(({ until }) => until >= time)?.offset;
  }

  /** Whether there are any times. */
  get exist(): boolean {
    return this.#entries.length > 0;
  }

  /** The index of the last entry at or before an offset; -1 if there is none. */
  #indexAt(offset: number): number {
    let [low, high] = [0, this.#entries.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#entries[middle] as Entry).offset <= offset) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}
