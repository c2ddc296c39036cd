/** What has to be removed or ended when a test file has finished. */
type Cleanup = () => unknown;

const cleanups: Cleanup[] = [];

/**
 * Calls a function after all tests of the present file, the last registered first. Unlike `afterAll`, it may
 * be called by tests and hooks, and by modules that several files of one process share.
 */
export function onFileFinished(cleanup: Cleanup): void {
  cleanups.push(cleanup);
}

/** Calls what was registered, and forgets it. The setup file of each runner sees to it. */
export async function finishFile(): Promise<void> {
  const failures: unknown[] = [];
  for (const cleanup of cleanups.splice(0).reverse()) {
    try {
      await cleanup();
    } catch (thrown) {
      failures.push(thrown);
    }
  }
  if (failures.length > 0) throw new AggregateError(failures, "cleaning up after the test file failed");
}
