/** Waits for a promise, but no longer than some milliseconds. @returns undefined if it takes longer */
export async function atMost<T>(ms: number, waited: Promise<T>): Promise<T | undefined> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(resolve, ms);
  try {
    return await Promise.race([waited, promise]);
  } finally {
    clearTimeout(timer);
  }
}
