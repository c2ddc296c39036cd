/** What the kernel counts as lost was not always lost to the driver. */
import { expect, test } from "vitest";
import { lostSince } from "../../../src/effects/denials/denialReader.ts";

const usual = "BOOT_IMAGE=/vmlinuz root=/dev/sda1 ro quiet";

test.each([
  ["nothing at the first look", undefined, { lost: 7, daemon: 0 }, usual, 0],
  ["what was lost since", 7, { lost: 10, daemon: 0 }, usual, 3],
  ["nothing after somebody has reset the count", 7, { lost: 2, daemon: 0 }, usual, 0],
  [
    "nothing if the kernel keeps records for a daemon that is missing",
    7,
    { lost: 10, daemon: 0 },
    `${usual} audit=1`,
    0,
  ],
  ["what was lost if the kernel has such a daemon", 7, { lost: 10, daemon: 99 }, `${usual} audit=1`, 3],
  ["what was lost if a similar option is set", 7, { lost: 10, daemon: 0 }, `${usual} myaudit=1`, 3],
])("%s", (_, before, status, commandLine, expected) => {
  expect(lostSince(before, status, commandLine)).toBe(expected);
});
