import { expect, it } from "vitest";
import { formatBytes, parseSize } from "../../src/units/sizes.ts";

it.each([
  [0, "0 B"],
  [1023, "1023 B"],
  [1024, "1 KiB"],
  [1536, "1.5 KiB"],
  [10_752, "11 KiB"],
  [(16 << 20) + 1, "16 MiB"],
  [3 * 2 ** 40, "3 TiB"],
  [2 ** 70, "1048576 PiB"],
])("%d bytes are %s", (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});

it.each([
  ["64MiB", 64 << 20],
  ["1.5GiB", 1.5 * 2 ** 30],
  ["7B", 7],
  ["64MB", undefined],
  ["64", undefined],
  ["MiB", undefined],
  ["-1KiB", undefined],
])("%s are %s bytes", (text, bytes) => {
  expect(parseSize(text)).toBe(bytes);
});
