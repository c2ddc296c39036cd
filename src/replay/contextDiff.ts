/** What changed between two contexts, or any two pieces of plain data. Pure. */

/** A value that was added, removed or replaced. */
export interface Change {
  /** Where it is: names and list indexes from the outside in, such as `["stop", "timedOut"]`. */
  readonly path: readonly string[];
  /** Undefined where there was none. Plain data never hold undefined. */
  readonly before: unknown;
  /** Undefined where it is gone. */
  readonly after: unknown;
}

/** What differs between two lists at a path. */
export type ListDiff = (
  path: readonly string[],
  before: readonly unknown[],
  after: readonly unknown[],
) => Change[];

/**
 * Each value that differs, in the order of the data. An object that takes the
 * place of nothing (null) is told by its entries, and so is one that gives way
 * to nothing; lists come and go whole.
 * @param ofLists how two lists are compared (default: entry by entry, by their indexes)
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
  // An empty object differs from nothing.
  return keys.size === 0 && isContainer(before) !== isContainer(after) ? [{ path, before, after }] : changes;
}

/** Both lists or both objects; or an object, and nothing on the other side. */
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
