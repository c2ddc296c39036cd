/** Waits for a state that nothing reports, so it has to poll. */
import { setTimeout as delay } from "node:timers/promises";

/**
 * Resolves once the condition holds.
 * @param what names the condition in the error
 * @throws Error if the condition does not hold within the time
 */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string | (() => string),
  limitMs = 60_000,
): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!(await condition())) {
    if (performance.now() > deadline) {
      throw new Error(`not after ${limitMs / 1_000} s: ${typeof what === "string" ? what : what()}`);
    }
    await delay(5);
  }
}
