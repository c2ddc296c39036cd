import { expect, it } from "vitest";
import { formatBytes, formatMebibytes, parseAnySize, parseSize } from "../../src/units/sizes.ts";

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

it.each([
  ["64MB", 64_000_000],
  ["64MiB", 64 << 20],
  ["1.5 kB", 1_500],
  ["7B", 7],
  ["1.0000001kB", 1_000],
  ["64", undefined],
  ["64iB", undefined],
  ["64mb", undefined],
  ["64M", undefined],
  ["-1MB", undefined],
])("%s are %s bytes, with either unit", (text, bytes) => {
  expect(parseAnySize(text)).toBe(bytes);
});

it.each([
  [10_000, "10000 MiB"],
  [64_000_000 / 2 ** 20, "61 MiB"],
])("%d are shown as %s", (mebibytes, text) => {
  expect(formatMebibytes(mebibytes)).toBe(text);
});
