/**
 * What a task used until a moment, and how such samples are kept in few bytes. Pure.
 *
 * Every sample holds sums since the task's cgroup was made. So what was used between any two of them is known,
 * whatever was dropped between them.
 */
import { crc32 } from "node:zlib";

/** NaN is what the host does not measure. */
export interface UsageSample {
  /** Milliseconds since the epoch. */
  readonly time: number;
  /** Microseconds of CPU time. */
  readonly userUs: number;
  readonly systemUs: number;
  /** Microseconds in which the CPU limit held the task back. */
  readonly throttledUs: number;
  /** Bytes that count against the limit: the most of all samples that this one stands for. */
  readonly memoryBytes: number;
  /** The most that it ever was. */
  readonly memoryPeakBytes: number;
  /** Processes and threads: the most of all samples that this one stands for. */
  readonly pids: number;
  /** Microseconds in which some of the processes, or all, waited for a resource. */
  readonly cpuWaitingUs: number;
  readonly memoryWaitingUs: number;
  readonly memoryStalledUs: number;
  readonly ioWaitingUs: number;
  readonly ioStalledUs: number;
}

/** The order in a record. New ones come last, with another length of the record. */
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
] as const satisfies readonly (keyof UsageSample)[];

const checkAt = fields.length * 8;

/** Bytes of a record: the fields as little-endian doubles, the CRC-32 of these, and four bytes of nothing. */
export const recordBytes = checkAt + 8;

export function encodeSample(sample: UsageSample): Buffer {
  const record = Buffer.alloc(recordBytes);
  for (const [index, field] of fields.entries()) record.writeDoubleLE(sample[field], index * 8);
  record.writeUInt32LE(crc32(record.subarray(0, checkAt)), checkAt);
  return record;
}

/** The samples of records, in their order; those that were written in part, or damaged, are left out. */
export function decodeSamples(records: Buffer): UsageSample[] {
  const samples: UsageSample[] = [];
  for (let at = 0; at + recordBytes <= records.length; at += recordBytes) {
    const record = records.subarray(at, at + recordBytes);
    if (record.readUInt32LE(checkAt) !== crc32(record.subarray(0, checkAt))) continue;
    const values = fields.map((field, index) => [field, record.readDoubleLE(index * 8)] as const);
    samples.push(Object.fromEntries(values) as Record<(typeof fields)[number], number>);
  }
  return samples;
}

/** The newest samples stay as they are. */
const recent = 64;

/**
 * Thins out samples so that they still cover the task's whole life: of the older ones, each of many equal spans of
 * time keeps one. The spans double when they become too many, and begin where the shorter ones did. So what was
 * thinned out often is no coarser than what was thinned out once. The first sample stays, since the sums begin there.
 * @param samples in the order of time
 * @param most how many to keep, more than {@link recent}
 */
export function thinned(samples: readonly UsageSample[], most: number): UsageSample[] {
  const first = samples.slice(0, 1);
  const older = samples.slice(1, -recent);
  const newest = samples.slice(-recent);
  for (let spanMs = 1_000; ; spanMs *= 2) {
    const spans = Map.groupBy(older, ({ time }) => Math.floor(time / spanMs));
    if (spans.size <= most - recent - 1) return [...first, ...[...spans.values()].map(merged), ...newest];
  }
}

/** The last of the samples, with the most memory and processes of all of them. */
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
  };
}
