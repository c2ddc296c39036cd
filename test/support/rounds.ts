const isLong = process.env.TEST_LONG !== undefined;

/**
 * How often a test tries something at random. `npm test` has a few rounds, and `npm run test:long` runs the same
 * test with many.
 */
export function rounds(few: number, many: number): number {
  return isLong ? many : few;
}

/**
 * The cases of a test: all in `npm run test:long`, and every nth in `npm test`, with the first of them.
 */
export function everyNth<Case>(nth: number, cases: readonly Case[]): readonly Case[] {
  return isLong ? cases : cases.filter((_, index) => index % nth === 0);
}
