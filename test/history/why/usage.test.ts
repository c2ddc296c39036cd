import { describe, expect, it } from "vitest";
import { usageSpans, usageText } from "../../../src/history/why/usage.ts";
import type { TaskLimits } from "../../../src/machines/taskContext.ts";
import { usageSample } from "../../support/metrics/usage.ts";

const none: TaskLimits = {
  ...{ cores: null, memoryBytes: null, pids: null, diskBytes: null },
  ...{ readBytes: null, writtenBytes: null, reads: null, writes: null },
};
const mib = 2 ** 20;

describe("a task's usage in a sentence", () => {
  it("has the most that its folders had on disk, with the limit", () => {
    const samples = [0, 280, 200].map((amount, index) =>
      usageSample({
        time: index * 1_000,
        ownDiskBytes: amount * mib,
        memoryBytes: Number.NaN,
        memoryPeakBytes: Number.NaN,
      }),
    );
    expect(usageText(samples, { ...none, diskBytes: 300 * mib })).toBe(
      "It used 0 cores on average and at most 280 of 300 MiB of disk in its folders",
    );
    expect(usageSpans(samples)).toMatchObject([{ ownDiskBytes: 280 * mib }, { ownDiskBytes: 200 * mib }]);
  });

  const first = usageSample({ time: 1_000, userUs: 5_000_000 });
  const last = usageSample({
    time: 61_000,
    userUs: 41_000_000,
    systemUs: 12_000_000,
    throttledUs: 12_000_000,
    memoryBytes: 20 * mib,
    memoryPeakBytes: 31 * mib,
    memoryWaitingUs: 3_000_000,
    ioWaitingUs: 100_000,
  });

  it("is shown with its limits", () => {
    expect(usageText([first, last], { ...none, cores: 1, memoryBytes: 32 * mib, pids: 10 })).toBe(
      "It used 0.8 of 1 core on average and at most 31 of 32 MiB of memory; its CPU limit held it back for 12 s; " +
        "some of its processes waited for memory 5 % of the time",
    );
    expect(usageText([first, last], { ...none, memoryBytes: 2048 * mib })).toMatch(
      /0\.8 cores .* 31 MiB of 2 GiB/,
    );
  });

  it("tells what was read from disks and written to them, from a MiB on", () => {
    const disk = { readBytes: 3 * mib, writtenBytes: mib - 1 };
    expect(usageText([first, { ...last, ...disk }], none)).toContain("; it read 3 MiB from disks; ");
    const both = { readBytes: 3 * mib, writtenBytes: 2048 * mib };
    expect(usageText([first, { ...last, ...both }], none)).toContain(
      "; it read 3 MiB from disks and wrote 2 GiB to disks; ",
    );
    const [span] = usageSpans([first, { ...last, ...both, reads: 120 }]);
    expect(span?.disk).toEqual({
      ...{ readBytes: (3 * mib) / 60, writtenBytes: (2048 * mib) / 60, reads: 2, writes: 0 },
    });
  });

  it("omits figures that the host does not measure, and does not exist without two samples", () => {
    const unknown = {
      ...{ throttledUs: Number.NaN, memoryBytes: Number.NaN, memoryPeakBytes: Number.NaN },
      ...{ memoryWaitingUs: Number.NaN, ioWaitingUs: Number.NaN },
      ...{ readBytes: Number.NaN, writtenBytes: Number.NaN },
    };
    expect(
      usageText(
        [
          { ...first, ...unknown },
          { ...last, ...unknown },
        ],
        none,
      ),
    ).toBe("It used 0.8 cores on average");
    expect(usageText([first], none)).toBeUndefined();
    expect(usageText([], none)).toBeUndefined();
  });
});

describe("a task's usage between two samples", () => {
  it("is never negative, even if the clock or a counter jumps back", () => {
    const samples = [
      usageSample({ time: 5, userUs: 9 }),
      usageSample({ time: 5, userUs: 3, cpuWaitingUs: 1e9 }),
    ];
    expect(usageSpans(samples)).toMatchObject([{ spanMs: 1, cores: 0, waiting: { cpu: 1 } }]);
  });
});
