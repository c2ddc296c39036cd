/**
 * How often a test tries something at random. `npm test` has a few rounds, and `npm run test:long` runs the same
 * test with many.
 */
export function rounds(few: number, many: number): number {
  return process.env.TEST_LONG === undefined ? few : many;
}
