import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseReport } from "../../../src/effects/plan/spawnPlan.ts";

const identity = fc.record({ pid: fc.integer({ min: 1, max: 2 ** 22 }), startTicks: fc.nat() });
const failure = fc.record({
  entry: fc.integer({ min: 0x10000000, max: 0x10400000 }),
  errno: fc.integer({ min: 1, max: 4095 }),
});

function identityRecord({ pid, startTicks }: { pid: number; startTicks: number }): Uint8Array {
  const record = new Uint8Array(256);
  const fields = ["S", ...new Array(18).fill("0"), startTicks, "1 2 3"];
  new TextEncoder().encodeInto(`${pid} (exec2-init) ${fields.join(" ")}`, record.subarray(8));
  return record;
}

function failureRecord({ entry, errno }: { entry: number; errno: number }): Uint8Array {
  return new Uint8Array(new BigUint64Array([BigInt(entry), BigInt(errno)]).buffer);
}

const join = (records: Uint8Array[]) => new Uint8Array(records.flatMap((record) => [...record]));

describe("the report of a launch", () => {
  it("has the identity of each process, and the failed step", () => {
    fc.assert(
      fc.property(fc.array(identity, { maxLength: 2 }), fc.option(failure), (processes, failed) => {
        const records = [...processes.map(identityRecord), ...(failed ? [failureRecord(failed)] : [])];
        expect(parseReport(join(records))).toEqual({ processes, failure: failed ?? undefined });
      }),
    );
  });

  it("keeps the first failure if the next process fails, too", () => {
    const records = [
      { entry: 0x10001000, errno: 2 },
      { entry: 0x10000000, errno: 9 },
    ].map(failureRecord);
    expect(parseReport(join(records)).failure).toEqual({ entry: 0x10001000, errno: 2 });
  });

  it("omits a truncated record", () => {
    fc.assert(
      fc.property(identity, failure, fc.nat(15), (process, failed, length) => {
        const bytes = join([identityRecord(process), failureRecord(failed).subarray(0, length)]);
        expect(parseReport(bytes)).toEqual({ processes: [process], failure: undefined });
      }),
    );
    expect(parseReport(identityRecord({ pid: 5, startTicks: 6 }).subarray(0, 20))).toEqual({
      processes: [],
      failure: undefined,
    });
  });
});
