import { expect, test } from "vitest";
import { simulate } from "./simulate.ts";

test("the simulation finds every planted defect", () => {
  const { status, output } = simulate("--mutants");
  expect(output).not.toContain("✗");
  expect(status).toBe(0);
  // Longer than it takes to try all histories for each defect on a busy machine.
}, 1_800_000);
