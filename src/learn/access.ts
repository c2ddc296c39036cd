/** The observed accesses of a task, and which of them a policy denies. Pure. */

/** What a call did with a name. */
export type NamedUse = "lookUp" | "open" | "make" | "remove" | "truncate" | "change" | "connect" | "execute";

/** A name that the task passed to a call, made absolute. It may still contain symlinks and `..`. */
export interface NamedAccess {
  readonly kind: "named";
  readonly use: NamedUse;
  readonly path: string;
  /** The call's errno; 0 if it succeeded. */
  readonly errno: number;
}

/** A file or folder, by its path without symlinks. */
export interface OpenedAccess {
  readonly kind: "opened";
  readonly path: string;
  readonly read: boolean;
  readonly write: boolean;
  /** Whether the call created the file. */
  readonly created: boolean;
}

/** An answer of a name server that has reached a socket of the task. */
export interface AnsweredAccess {
  readonly kind: "answered";
  /** The address that it came from. */
  readonly server: string;
  /** The name in the question, in lower case. */
  readonly name: string;
  /** Whether the question was for an address. */
  readonly asksForAddress: boolean;
  /** The addresses in the answer. */
  readonly addresses: readonly string[];
}

export type Access =
  | NamedAccess
  | OpenedAccess
  /** A program that was executed; for a script, its interpreter. The path has no symlinks. */
  | { readonly kind: "executed"; readonly path: string }
  /** ioctl(2) on a device, whose path has no symlinks. */
  | { readonly kind: "controlled"; readonly path: string; readonly request: number }
  | { readonly kind: "bound"; readonly port: number; readonly tcp: boolean }
  /** An IPv4 address in an IPv6 one is the IPv4 address. */
  | { readonly kind: "connected"; readonly address: string; readonly port: number; readonly tcp: boolean }
  | AnsweredAccess
  | { readonly kind: "capability"; readonly number: number; readonly refused: boolean };

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
