/** Waits for what nothing reports. */
import { vi } from "vitest";

/**
 * Repeats an assertion until it holds, and returns its value.
 * @throws the assertion's last error. The limit is generous, because a machine may be busy with other work.
 */
export function eventually<T>(assertion: () => T | Promise<T>): Promise<T> {
  return vi.waitFor(assertion, { timeout: 60_000 });
}
