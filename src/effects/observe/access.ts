/** What a task was seen to use: an access of one of its processes. Pure. */

/** What a call did with a name. */
export type NamedUse = "lookUp" | "open" | "make" | "remove" | "truncate" | "change" | "connect" | "execute";

/** A name that the task passed to a call, made absolute. It may still contain symlinks and `..`. */
export interface NamedAccess {
  readonly kind: "named";
  readonly use: NamedUse;
  readonly path: string;
  /** The call's errno; 0 if it succeeded. */
  readonly errno: number;
  /** Set if the call moved or linked a file: whether this is its old name, or the new one. */
  readonly moves?: "from" | "to";
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
