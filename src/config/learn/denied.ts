/** What a task could do when nothing was refused, and could not do under a policy. Pure. */
import type { Access, NamedAccess } from "./access.ts";

/** EPERM, ENOENT, EACCES, EROFS: in a root of its own, what is not unveiled is missing. */
const refusals: ReadonlySet<number> = new Set([1, 2, 13, 30]);

/** @returns names of the second run, once each, in their order */
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

/** A folder may be looked at, and yet not be read. */
function keyOf({ use, path }: NamedAccess): string {
  return `${use} ${path}`;
}

function named(accesses: readonly Access[]): NamedAccess[] {
  return accesses.filter((access) => access.kind === "named");
}
