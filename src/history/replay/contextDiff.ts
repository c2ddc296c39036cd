/** The difference between two contexts, or any two values of plain data. Pure. */

/** A value that was added, removed or replaced. */
export interface Change {
  /** Names and list indexes, from the outside in, such as `["stop", "timedOut"]`. */
  readonly path: readonly string[];
  /** Undefined if the value was added. Plain data never hold undefined. */
  readonly before: unknown;
  /** Undefined if the value was removed. */
  readonly after: unknown;
}

/** Compares two lists at a path. */
export type ListDiff = (
  path: readonly string[],
  before: readonly unknown[],
  after: readonly unknown[],
) => Change[];

/**
 * The values that differ, in the order of the data. An object that is added or
 * removed, or that replaces null or is replaced by null, is reported entry by entry. A
 * list that is added or removed is a single change.
 * @param ofLists compares two lists; by default, entry by entry at the same index
 */
export function contextDiff(before: unknown, after: unknown, ofLists?: ListDiff): Change[] {
  return diff([], before, after, ofLists);
}

function diff(path: readonly string[], before: unknown, after: unknown, ofLists?: ListDiff): Change[] {
  if (Object.is(before, after)) return [];
  if (!isNested(before, after)) return [{ path, before, after }];
  if (ofLists && Array.isArray(before) && Array.isArray(after)) return ofLists(path, before, after);
  const [old, now] = [entriesOf(before), entriesOf(after)];
  const keys = new Set([...Object.keys(old), ...Object.keys(now)]);
  const changes = [...keys].flatMap((key) => diff([...path, key], old[key], now[key], ofLists));
  // An empty object has no entries to report, yet differs from null.
  return keys.size === 0 && isContainer(before) !== isContainer(after) ? [{ path, before, after }] : changes;
}

/** True for two lists, for two objects, and for an object and null or a missing value. */
function isNested(before: unknown, after: unknown): boolean {
  if (isNothing(before)) return isContainer(after) && !Array.isArray(after);
  if (isNothing(after)) return isContainer(before) && !Array.isArray(before);
  return isContainer(before) && isContainer(after) && Array.isArray(before) === Array.isArray(after);
}

function entriesOf(value: unknown): Readonly<Record<string, unknown>> {
  return isContainer(value) ? value : {};
}

function isContainer(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

function isNothing(value: unknown): boolean {
  return value === null || value === undefined;
}
