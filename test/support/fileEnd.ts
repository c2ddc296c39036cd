/** What has to be removed or ended when a test file has finished. */
import { afterAll } from "vitest";

type Cleanup = () => unknown;

const cleanups: Cleanup[] = [];

/**
 * Calls a function after all tests of the present file, the last registered first. Unlike `afterAll`, it may
 * be called by tests and hooks, and by modules that several files of one process share.
 */
export function onFileFinished(cleanup: Cleanup): void {
  cleanups.push(cleanup);
}

/** Vitest's setup file calls this for every test file. */
export function watchFileEnd(): void {
  afterAll(async () => {
    const failures: unknown[] = [];
    for (const cleanup of cleanups.splice(0).reverse()) {
      try {
        await cleanup();
      } catch (thrown) {
        failures.push(thrown);
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, "cleaning up after the test file failed");
  });
}
