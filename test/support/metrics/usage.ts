/** Samples of what a task uses. */
import type { UsageSample } from "../../../src/store/usage/usageSample.ts";

export function usageSample(fields: Partial<UsageSample>): UsageSample {
  return {
    time: 0,
    userUs: 0,
    systemUs: 0,
    throttledUs: 0,
    memoryBytes: 0,
    memoryPeakBytes: 0,
    pids: 1,
    cpuWaitingUs: 0,
    memoryWaitingUs: 0,
    memoryStalledUs: 0,
    ioWaitingUs: 0,
    ioStalledUs: 0,
    readBytes: 0,
    writtenBytes: 0,
    reads: 0,
    writes: 0,
    ownDiskBytes: Number.NaN,
    sharedDiskBytes: Number.NaN,
    ...fields,
  };
}
