/** Which of the observed accesses of a task a policy denies. Pure. */

import type { Access, NamedAccess } from "../effects/observe/access.ts";

/**
 * EPERM, ENOENT, EACCES, EROFS. ENOENT may be a refusal, too, because a private root lacks paths that are not
 * unveiled.
 */
const refusals: ReadonlySet<number> = new Set([1, 2, 13, 30]);

/**
 * Finds what a task could do in a run without refusals, but not in a run under a policy.
 * @returns the names that were refused only in the second run, sorted, each once
 */
export function deniedIn(free: readonly Access[], enforced: readonly Access[]): string[] {
  const could = done(free);
  const can = done(enforced);
  const denied = named(enforced).filter(
    (access) => refusals.has(access.errno) && could.has(keyOf(access)) && !can.has(keyOf(access)),
  );
  return [...new Set(denied.map(({ path }) => path))].toSorted();
}

function done(accesses: readonly Access[]): ReadonlySet<string> {
  return new Set(
    named(accesses)
      .filter(({ errno }) => errno === 0)
      .map(keyOf),
  );
}

/** The use is part of the key: a task may be able to look a folder up, but not to read it. */
function keyOf({ use, path }: NamedAccess): string {
  return `${use} ${path}`;
}

function named(accesses: readonly Access[]): NamedAccess[] {
  return accesses.filter((access) => access.kind === "named");
}
