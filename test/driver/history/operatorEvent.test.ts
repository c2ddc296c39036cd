/** What an operator's program may have recorded. */
import { expect, it } from "vitest";
import { operatorEvent } from "../../../src/driver/history/operatorEvent.ts";

it("is of a known act, and of bounded length", () => {
  const event = operatorEvent({ act: "copyOut", what: "x".repeat(10_000), by: "y".repeat(10_000) });
  expect(event).toEqual({ act: "copyOut", what: "x".repeat(4_096), by: "y".repeat(256) });
  for (const act of ["", "shred", "toString"])
    expect(() => operatorEvent({ act, what: "x", by: "y" })).toThrow(
      expect.objectContaining({ code: "UNSUPPORTED" }),
    );
});
