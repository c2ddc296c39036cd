/**
 * Samples of a task's usage, their encoding as small records, and their thinning. Pure.
 *
 * A sample holds sums since the task's cgroup was made. So any two samples give the usage between them, even
 * if samples between them were dropped.
 */
import { crc32 } from "node:zlib";

/** NaN stands for values that the host does not measure. */
export interface UsageSample {
  /** Milliseconds since the epoch. */
  readonly time: number;
  /** Microseconds of CPU time. */
  readonly userUs: number;
  readonly systemUs: number;
  /** Microseconds in which the CPU limit held the task back. */
  readonly throttledUs: number;
  /** Bytes that count against the limit. A merged sample has the maximum of the samples that it replaces. */
  readonly memoryBytes: number;
  /** The maximum since the cgroup was made. */
  readonly memoryPeakBytes: number;
  /** Number of processes and threads. A merged sample has the maximum of the samples that it replaces. */
  readonly pids: number;
  /** Microseconds in which some of the processes (waiting) or all of them (stalled) waited for a resource. */
  readonly cpuWaitingUs: number;
  readonly memoryWaitingUs: number;
  readonly memoryStalledUs: number;
  readonly ioWaitingUs: number;
  readonly ioStalledUs: number;
  /** Bytes that were read from disks and written to them, and numbers of operations. */
  readonly readBytes: number;
  readonly writtenBytes: number;
  readonly reads: number;
  readonly writes: number;
  /**
   * Bytes on disk of the task's own folders, and of the allocation's shared folder, if they are limited. A merged
   * sample has the maximum of the samples that it replaces.
   */
  readonly ownDiskBytes: number;
  readonly sharedDiskBytes: number;
}

/**
 * The fields in the order of records and of lists of numbers. New fields go to the end, and change the
 * record's length.
 */
const fields = [
  "time",
  "userUs",
  "systemUs",
  "throttledUs",
  "memoryBytes",
  "memoryPeakBytes",
  "pids",
  "cpuWaitingUs",
  "memoryWaitingUs",
  "memoryStalledUs",
  "ioWaitingUs",
  "ioStalledUs",
  "readBytes",
  "writtenBytes",
  "reads",
  "writes",
  "ownDiskBytes",
  "sharedDiskBytes",
] as const satisfies readonly (keyof UsageSample)[];

/** Maximum number of samples that are kept for a task: a file of 38 KiB. */
export const maxSamples = 256;

export const numbersOfSample = fields.length;

/** Samples in older bundles end after `ioStalledUs`. */
export const leastNumbersOfSample = fields.indexOf("readBytes");

/** The sample's fields in their order. */
export function toNumbers(sample: UsageSample): number[] {
  return fields.map((field) => sample[field]);
}

/** @param numbers null stands for values that the host does not measure */
export function fromNumbers(numbers: readonly (number | null)[]): UsageSample {
  const values = fields.map((field, index) => [field, numbers[index] ?? Number.NaN] as const);
  return Object.fromEntries(values) as Record<(typeof fields)[number], number>;
}

const checkAt = numbersOfSample * 8;

/** Bytes of a record: the fields as little-endian doubles, the CRC-32 of these, and four unused bytes. */
export const recordBytes = checkAt + 8;

export function encodeSample(sample: UsageSample): Buffer {
  const record = Buffer.alloc(recordBytes);
  for (const [index, number] of toNumbers(sample).entries()) record.writeDoubleLE(number, index * 8);
  record.writeUInt32LE(crc32(record.subarray(0, checkAt)), checkAt);
  return record;
}

/** Decodes samples, in order. Leaves out records that are damaged or incomplete. */
export function decodeSamples(records: Buffer): UsageSample[] {
  const samples: UsageSample[] = [];
  for (let at = 0; at + recordBytes <= records.length; at += recordBytes) {
    const record = records.subarray(at, at + recordBytes);
    if (record.readUInt32LE(checkAt) !== crc32(record.subarray(0, checkAt))) continue;
    samples.push(fromNumbers(numbersIn(record)));
  }
  return samples;
}

function numbersIn(record: Buffer): number[] {
  return Array.from({ length: numbersOfSample }, (_, index) => record.readDoubleLE(index * 8));
}

/** This many of the newest samples are never thinned out. */
const recent = 64;

/**
 * Thins out samples so that the rest still covers the task's whole life. The older samples are divided into
 * equal spans of time, and each span keeps one sample. If there are too many spans, their length doubles. A
 * longer span begins where a shorter one began, so thinning out repeatedly gives the same samples as thinning
 * out once. The first sample is kept, because the sums begin there.
 * @param samples in chronological order
 * @param most maximum number of samples to keep; must be greater than {@link recent}
 */
export function thinned(samples: readonly UsageSample[], most: number): UsageSample[] {
  const first = samples.slice(0, 1);
  const older = samples.slice(1, -recent);
  const newest = samples.slice(-recent);
  for (let spanMs = 1_000; ; spanMs *= 2) {
    // Not Map.groupBy(): the library for replays runs on Node 20, which lacks it.
    const spans = new Map<number, UsageSample[]>();
    for (const sample of older) {
      const span = Math.floor(sample.time / spanMs);
      const inSpan = spans.get(span);
      if (inSpan) inSpan.push(sample);
      else spans.set(span, [sample]);
    }
    if (spans.size <= most - recent - 1) return [...first, ...[...spans.values()].map(merged), ...newest];
  }
}

/** The last of the samples, with the maxima of what is not a sum: memory, processes, disk. */
function merged(samples: readonly UsageSample[]): UsageSample {
  const most = (figure: (sample: UsageSample) => number) =>
    samples.reduce(
      (max, sample) => (figure(sample) > max || Number.isNaN(max) ? figure(sample) : max),
      Number.NaN,
    );
  return {
    ...(samples.at(-1) as UsageSample),
    memoryBytes: most(({ memoryBytes }) => memoryBytes),
    pids: most(({ pids }) => pids),
    ownDiskBytes: most(({ ownDiskBytes }) => ownDiskBytes),
    sharedDiskBytes: most(({ sharedDiskBytes }) => sharedDiskBytes),
  };
}
