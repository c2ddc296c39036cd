/** The observed accesses of a task. Pure. */

/** What a call did with a name. */
export type NamedUse = "lookUp" | "open" | "make" | "remove" | "truncate" | "change" | "connect" | "execute";

/** A name as the task gave it, made absolute; symlinks and `..` are still in it. */
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
  /** Whether the call made the file. */
  readonly created: boolean;
}

export type Access =
  | NamedAccess
  | OpenedAccess
  /** A program that was executed; for a script, its interpreter. The path has no symlinks. */
  | { readonly kind: "executed"; readonly path: string }
  /** ioctl(2) on a device, whose path has no symlinks. */
  | { readonly kind: "controlled"; readonly path: string; readonly request: number }
  | { readonly kind: "connected" | "bound"; readonly port: number; readonly tcp: boolean }
  | { readonly kind: "capability"; readonly number: number; readonly refused: boolean };
