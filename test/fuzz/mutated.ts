/** Mutations that are likely to reveal defects of decoders. */
import type { Random } from "../crash/random.ts";

const tellingBytes = [
  0x00, 0x01, 0x7f, 0x80, 0xff, 0x0a, 0x20, 0x22, 0x24, 0x2d, 0x2f, 0x3a, 0x5b, 0x7b, 0xc1, 0xdf,
];

/**
 * Makes one to four mutations: bytes are changed, removed, inserted or repeated, or the input is truncated.
 */
export function mutated(input: Buffer, random: Random): Buffer {
  let bytes: Buffer = Buffer.from(input);
  for (let left = 1 + random.below(4); left > 0; left -= 1) bytes = changed(bytes, random);
  return bytes;
}

function changed(bytes: Buffer, random: Random): Buffer {
  const at = random.below(bytes.length + 1);
  const end = Math.min(bytes.length, at + 1 + random.below(8));
  const byte = random.pick([random.below(256), random.pick(tellingBytes)]);
  const [before, after] = [bytes.subarray(0, at), bytes.subarray(end)];
  switch (random.pick(["set", "flip", "remove", "insert", "repeat", "cut"] as const)) {
    case "set":
      return Buffer.concat([before, Buffer.of(byte), bytes.subarray(at + 1)]);
    case "flip":
      return Buffer.concat([
        before,
        Buffer.of((bytes[at] ?? 0) ^ (1 << random.below(8))),
        bytes.subarray(at + 1),
      ]);
    case "remove":
      return Buffer.concat([before, after]);
    case "insert":
      return Buffer.concat([before, Buffer.alloc(1 + random.below(9), byte), bytes.subarray(at)]);
    case "repeat":
      return Buffer.concat([before, bytes.subarray(at, end), bytes.subarray(at)]);
    case "cut":
      return Buffer.from(before);
  }
}
