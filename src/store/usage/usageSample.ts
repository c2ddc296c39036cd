/**
 * Samples of a task's usage. Pure.
 *
 * A sample holds sums since the task's cgroup was made. So any two samples give the usage between them, even
 * if samples between them were dropped.
 */
/** NaN stands for values that the host does not measure. */
export interface UsageSample {
  /** Milliseconds since the epoch. */
  readonly time: number;
  /** Microseconds of CPU time. */
  readonly userUs: number;
  readonly systemUs: number;
  /** Microseconds in which the CPU limit held the task back. */
  readonly throttledUs: number;
  /** Bytes that count against the limit. A merged sample has the maximum of those that it replaces. */
  readonly memoryBytes: number;
  /** The maximum since the cgroup was made. */
  readonly memoryPeakBytes: number;
  /** Number of processes and threads. A merged sample has the maximum of those that it replaces. */
  readonly pids: number;
  /** Microseconds in which some of the processes, or all, waited for a resource. */
  readonly cpuWaitingUs: number;
  readonly memoryWaitingUs: number;
  readonly memoryStalledUs: number;
  readonly ioWaitingUs: number;
  readonly ioStalledUs: number;
}

/** The fields in the order of records and of lists of numbers. New fields go to the end, and change the record's length. */
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

/** Maximum number of samples that are kept for a task: a file of 26 KiB. */
export const maxSamples = 256;

export const numbersOfSample = fields.length;

/** The sample's fields in their order. */
export function toNumbers(sample: UsageSample): number[] {
  return fields.map((field) => sample[field]);
}

/** @param numbers null stands for values that the host does not measure */
export function fromNumbers(numbers: readonly (number | null)[]): UsageSample {
  const values = fields.map((field, index) => [field, numbers[index] ?? Number.NaN] as const);
  return Object.fromEntries(values) as Record<(typeof fields)[number], number>;
}
