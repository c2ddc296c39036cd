import { expect, test } from "vitest";
import { simulate } from "./simulate.ts";

test("the simulation finds every planted defect", () => {
  const { status, output } = simulate("--mutants");
  expect(output).not.toContain("✗");
  expect(status).toBe(0);
});
