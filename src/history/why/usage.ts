/**
 * A task's usage from its samples: figures for the time between two samples, and a text about the whole run.
 * Pure.
 */
import type { TaskLimits } from "../../machines/taskContext.ts";
import type { UsageSample } from "../../store/usage/usageSample.ts";
import { formatDuration } from "../../units/durations.ts";
import { formatShare } from "../../units/ratios.ts";
import { formatBytes } from "../../units/sizes.ts";

/** Usage between a sample and the previous sample. Null stands for values that the host does not measure. */
export interface UsageSpan {
  /** The span's end, in milliseconds since the epoch. */
  readonly time: number;
  /** The span's length. */
  readonly spanMs: number;
  /** CPU cores used on average. */
  readonly cores: number | null;
  /**
   * Memory at the span's end. A merged sample has the maximum memory of the samples that it replaces.
   */
  readonly memoryBytes: number | null;
  readonly pids: number | null;
  /** Milliseconds in which the CPU limit throttled the task, summed over the host's CPUs. */
  readonly throttledMs: number | null;
  /** Bytes on disk at the span's end, as memory. */
  readonly ownDiskBytes: number | null;
  readonly sharedDiskBytes: number | null;
  /** Bytes and operations a second, on average. */
  readonly disk: {
    readonly readBytes: number | null;
    readonly writtenBytes: number | null;
    readonly reads: number | null;
    readonly writes: number | null;
  };
  /** Shares of the span in which some of the task's processes waited. */
  readonly waiting: {
    readonly cpu: number | null;
    readonly memory: number | null;
    readonly io: number | null;
  };
}

export function usageSpans(samples: readonly UsageSample[]): UsageSpan[] {
  return samples.slice(1).map((sample, index) => spanOf(samples[index] ?? sample, sample));
}

function spanOf(from: UsageSample, to: UsageSample): UsageSpan {
  // Clocks jump, and two samples may have the same time.
  const spanMs = Math.max(1, to.time - from.time);
  const used = (figure: (sample: UsageSample) => number) => known(Math.max(0, figure(to) - figure(from)));
  const share = (us: number | null) => (us === null ? null : Math.min(1, us / 1000 / spanMs));
  const perSecond = (figure: (sample: UsageSample) => number) => {
    const amount = used(figure);
    return amount === null ? null : (amount * 1000) / spanMs;
  };
  const cpuUs = used(({ userUs, systemUs }) => userUs + systemUs);
  const throttledUs = used((sample) => sample.throttledUs);
  return {
    time: to.time,
    spanMs,
    cores: cpuUs === null ? null : cpuUs / 1000 / spanMs,
    memoryBytes: known(to.memoryBytes),
    pids: known(to.pids),
    throttledMs: throttledUs === null ? null : throttledUs / 1000,
    ownDiskBytes: known(to.ownDiskBytes),
    sharedDiskBytes: known(to.sharedDiskBytes),
    disk: {
      readBytes: perSecond(({ readBytes }) => readBytes),
      writtenBytes: perSecond(({ writtenBytes }) => writtenBytes),
      reads: perSecond(({ reads }) => reads),
      writes: perSecond(({ writes }) => writes),
    },
    waiting: {
      cpu: share(used(({ cpuWaitingUs }) => cpuWaitingUs)),
      memory: share(used(({ memoryWaitingUs }) => memoryWaitingUs)),
      io: share(used(({ ioWaitingUs }) => ioWaitingUs)),
    },
  };
}

/** What a list shows of a task's usage. Null stands for values that are not known. */
export interface UsageFigures {
  /** CPU cores: between the last two samples of a running task, on average over a run that is over. */
  readonly cores: number | null;
  /** Bytes: the last sample of a running task, the maximum of a run that is over. */
  readonly memoryBytes: number | null;
  /** Bytes on disk of its own folders, as memory; null without a limit on them. */
  readonly diskBytes: number | null;
}

export function usageFigures(samples: readonly UsageSample[], isOver: boolean): UsageFigures {
  const last = samples.at(-1);
  const from = samples.at(isOver ? 0 : -2);
  if (last === undefined) return { cores: null, memoryBytes: null, diskBytes: null };
  const { cores, memoryBytes, ownDiskBytes } = spanOf(from ?? last, last);
  return {
    cores: from === undefined || from === last ? null : cores,
    memoryBytes: isOver && from !== undefined ? peakOf(samples) : memoryBytes,
    diskBytes: isOver ? mostStored(samples) : ownDiskBytes,
  };
}

/**
 * The text about a run's usage, such as `It used 0.8 of 1 core on average and at most 31 of 32 MiB of memory;
 * its CPU limit held it back for 12 s; some of its processes waited for memory 5 % of the time`.
 * @returns undefined without two samples
 */
export function usageText(samples: readonly UsageSample[], limits: TaskLimits): string | undefined {
  const [first, last] = [samples[0], samples.at(-1)];
  if (first === undefined || last === undefined || first === last) return undefined;
  const { cores, throttledMs, waiting } = spanOf(first, last);
  const memory = peakOf(samples);
  const stored = mostStored(samples);
  const used = [
    ...(cores === null ? [] : [`${coresText(cores, limits.cores)} on average`]),
    ...(memory === null ? [] : [`at most ${bytesText(memory, limits.memoryBytes)} of memory`]),
    ...(stored === null ? [] : [`at most ${bytesText(stored, limits.diskBytes)} of disk in its folders`]),
  ];
  const disk = diskText(first, last);
  const held = throttledMs !== null && throttledMs >= 1 ? formatDuration(throttledMs) : undefined;
  const waited = Object.entries(waiting).flatMap(([resource, share]) =>
    share !== null && share >= 0.01
      ? [`for ${resource === "io" ? "I/O" : names[resource]} ${formatShare(share)}`]
      : [],
  );
  return [
    ...(used.length === 0 ? [] : [`It used ${listed(used)}`]),
    ...(disk === undefined ? [] : [disk]),
    ...(held === undefined ? [] : [`its CPU limit held it back for ${held}`]),
    ...(waited.length === 0 ? [] : [`some of its processes waited ${waited.join(", ")} of the time`]),
  ].join("; ");
}

/**
 * The maximum memory of the task: the largest figure in all samples, which include the kernel's own peak.
 * Null if memory was not measured.
 */
export function peakOf(samples: readonly UsageSample[]): number | null {
  return mostOf(samples.flatMap(({ memoryPeakBytes, memoryBytes }) => [memoryPeakBytes, memoryBytes]));
}

/** The most bytes on disk of the task's own folders. Null if they were not measured. */
export function mostStored(samples: readonly UsageSample[]): number | null {
  return mostOf(samples.map(({ ownDiskBytes }) => ownDiskBytes));
}

/** Null if none is known. NaN counts as unknown. */
export function mostOf(figures: readonly (number | null | undefined)[]): number | null {
  return figures.reduce<number | null>(
    (most, each) => (each == null || Number.isNaN(each) ? most : Math.max(most ?? each, each)),
    null,
  );
}

/** Less than a MiB is not worth a word. */
const toldBytes = 2 ** 20;

/** `it read 1.2 GiB from disks and wrote 40 MiB`. */
function diskText(first: UsageSample, last: UsageSample): string | undefined {
  const parts = (
    [
      ["read", last.readBytes - first.readBytes, "from disks"],
      ["wrote", last.writtenBytes - first.writtenBytes, "to disks"],
    ] as const
  ).filter(([, bytes]) => bytes >= toldBytes);
  if (parts.length === 0) return undefined;
  return `it ${parts.map(([verb, bytes, where]) => `${verb} ${formatBytes(bytes)} ${where}`).join(" and ")}`;
}

const names: Readonly<Record<string, string>> = { cpu: "CPU", memory: "memory" };

function coresText(cores: number, limit: number | null): string {
  const amount = Number(cores.toPrecision(2));
  return limit === null
    ? `${amount} ${amount === 1 ? "core" : "cores"}`
    : `${amount} of ${limit} ${limit === 1 ? "core" : "cores"}`;
}

/** `a`, `a and b`, `a, b and c`. */
function listed(parts: readonly string[]): string {
  const [last = "", ...others] = parts.toReversed();
  return others.length === 0 ? last : `${others.toReversed().join(", ")} and ${last}`;
}

/** `240 of 300 MiB`. @param limit null without one */
export function bytesText(bytes: number, limit: number | null): string {
  if (limit === null) return formatBytes(bytes);
  const [amount, of] = [formatBytes(bytes), formatBytes(limit)];
  const unit = of.split(" ")[1] ?? "";
  return `${amount.endsWith(` ${unit}`) ? amount.split(" ")[0] : amount} of ${of}`;
}

function known(figure: number): number | null {
  return Number.isNaN(figure) ? null : figure;
}
