/** Samples as records of few bytes. Pure. */
import { crc32 } from "node:zlib";
import { fromNumbers, numbersOfSample, toNumbers, type UsageSample } from "./usageSample.ts";

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
