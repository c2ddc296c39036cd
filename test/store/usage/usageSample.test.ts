import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeSamples, encodeSample, recordBytes, thinned } from "../../../src/store/usage/usageSample.ts";
import { usageSample } from "../../support/metrics/usage.ts";

describe("a record", () => {
  it("can be decoded to the same value", () => {
    fc.assert(
      fc.property(fc.array(fc.double()), (values) => {
        const samples = values.map((value, time) =>
          usageSample({ time, memoryBytes: value, ioStalledUs: value }),
        );
        expect(decodeSamples(Buffer.concat(samples.map(encodeSample)))).toEqual(samples);
      }),
    );
  });

  it("that is truncated or damaged is skipped, and all other records are read", () => {
    const samples = [1, 2, 3].map((time) => usageSample({ time }));
    const bytes = Buffer.concat(samples.map(encodeSample));
    const rest = [samples[0], samples[2]];
    fc.assert(
      fc.property(fc.nat(recordBytes - 9), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const damaged = Buffer.from(bytes);
        damaged[recordBytes + at] = (damaged[recordBytes + at] ?? 0) ^ change;
        expect(decodeSamples(damaged)).toEqual(rest);
        expect(decodeSamples(bytes.subarray(0, 2 * recordBytes + at))).toEqual(samples.slice(0, 2));
      }),
    );
    const zeros = Buffer.concat([bytes.subarray(0, recordBytes), Buffer.alloc(2 * recordBytes)]);
    expect(decodeSamples(zeros)).toEqual(samples.slice(0, 1));
  });
});

describe("thinned samples", () => {
  const gaps = fc.array(fc.integer({ min: 1, max: 100_000 }), { minLength: 200, maxLength: 400 });

  it("are few, in order, with the newest ones and the highest figures", () => {
    fc.assert(
      fc.property(gaps, fc.integer({ min: 70, max: 160 }), (all, most) => {
        let time = 1_700_000_000_000;
        const samples = all.map((gap) => {
          time += gap;
          return usageSample({ time, memoryBytes: gap });
        });
        const kept = thinned(samples, most);
        expect(kept.length).toBeLessThanOrEqual(most);
        expect(kept.slice(-64)).toEqual(samples.slice(-64));
        expect(kept.map((each) => each.time)).toEqual(kept.map((each) => each.time).sort((a, b) => a - b));
        const max = (of: typeof samples) => Math.max(...of.map(({ memoryBytes }) => memoryBytes));
        expect(max(kept)).toBe(max(samples));
      }),
    );
  });

  it("cover a long life evenly, however often they were thinned out", () => {
    let samples = [usageSample({ time: 0 })];
    for (let time = 60_000; time <= 30 * 86_400_000; time += 60_000) {
      if (samples.length >= 256) samples = thinned(samples, 160);
      samples.push(usageSample({ time }));
    }
    const spans = samples.slice(1).map(({ time }, index) => time - (samples[index]?.time ?? 0));
    // The spans divide a month into at least 40 parts, and the last hour into minutes.
    expect(Math.max(...spans)).toBeLessThan((30 * 86_400_000) / 40);
    expect(spans.slice(-60).every((span) => span === 60_000)).toBe(true);
  });

  it("have a figure if one of the merged samples has it", () => {
    const samples = Array.from({ length: 100 }, (_, time) =>
      usageSample({ time, memoryBytes: time === 7 ? 5 : Number.NaN }),
    );
    expect(thinned(samples, 66).map(({ memoryBytes }) => memoryBytes)).toContain(5);
  });
});
