import { expect, test } from "vitest";
import { simulate } from "./simulate.ts";

/** Histories that once failed. Each seed gives the same history until the simulation draws differently. */
const regressions: readonly { readonly title: string; readonly seed: number }[] = [
  {
    title: "the folder of a start that was never stored is removed although its init recorded an end",
    seed: 14,
  },
  { title: "a task does not run twice if its agent dies during a start and its plugin does not", seed: 20 },
];

test("driver, agents and kernel keep what they promise in every simulated history", () => {
  const { status, output } = simulate("100", "1");
  expect(output).toContain("✓ 100 histories");
  expect(status).toBe(0);
});

test.each(regressions)("$title", ({ seed }) => {
  const { status, output } = simulate("1", String(seed));
  expect(output).toContain("✓ 1 histories");
  expect(status).toBe(0);
});
