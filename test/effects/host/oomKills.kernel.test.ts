/** Reading the kernel's log. */
import { accessSync } from "node:fs";
import { expect, it } from "vitest";
import { oomKills } from "../../../src/effects/host/oomKills.ts";

it("is read to its end, and once for all ends before it was read", async (context) => {
  try {
    accessSync("/dev/kmsg");
  } catch {
    context.skip("this host has no /dev/kmsg");
  }
  const before = Date.now() - 1_000;
  const kills = await oomKills(Date.now());
  expect(kills).toBeInstanceOf(Array);
  expect(await oomKills(before)).toBe(kills);
  expect(await oomKills(Date.now() + 60_000)).not.toBe(kills);
});
