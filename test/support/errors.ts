import { expect } from "vitest";
import { DriverError } from "../../src/base/errors.ts";

/** The DriverError that the call throws. Fails the test if it throws none. */
export function errorOf(call: () => unknown): DriverError {
  try {
    call();
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(DriverError);
    return thrown as DriverError;
  }
  throw new Error("expected a DriverError, but nothing was thrown");
}
