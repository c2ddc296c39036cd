import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeSamples, encodeSample, recordBytes } from "../../../src/store/usage/usageRecord.ts";
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

  it("that is truncated or damaged is skipped, and no other record", () => {
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
