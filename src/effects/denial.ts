/** What a denial is, and what is said to it, whichever part of the sandbox refuses. Pure. */
import type { Setting } from "../base/setting.ts";

/** One refusal. */
export interface Denial {
  /**
   * The rules that refused the access: Landlock's rights and scopes as audit records name them, such as
   * `fs.read_file` and `scope.signal`, or `seccomp.` and the name of a filtered system call, or `egress.` and a
   * protocol.
   */
  readonly blockers: readonly string[];
  /**
   * What the task tried to use: a path, a port, an abstract socket or a process. Null for a system call, and
   * if unknown.
   */
  readonly object: string | null;
}

/**
 * What a part of the sandbox says to a denial of its own: how to allow it, or that no option does. If several
 * parts refuse the same access, `never` wins.
 */
export type Verdict =
  /** What to do instead, or why no option allows it, as a sentence without its full stop; may be empty. */
  | { readonly never: string }
  | {
      /** Lines of the task's `config`, which allow what was denied and nothing else. */
      readonly settings: readonly Setting[];
      /** The plugin's option that the operator has to set before a task may use them. */
      readonly permission: string;
      /** What they allow besides, as words that follow "to allow it"; undefined if nothing. */
      readonly extent?: string;
    }
  /**
   * What would allow it, and more: a sentence without its full stop that says what else. It has no line that
   * somebody could copy without having read it.
   */
  | { readonly risk: string };

const CALL = "seccomp.";

/** The blocker that stands for a refused system call. */
export function callBlocker(name: string): string {
  return `${CALL}${name}`;
}

/**
 * The blocker of a 32-bit program: the filter kills a program that makes system calls of another
 * architecture.
 */
export const OTHER_MACHINE = `${CALL}32-bit`;

/** Whether the blocker refuses ports or destinations. */
export function isOfNetwork(blocker: string): boolean {
  return /^(?:net|egress)\./.test(blocker);
}

/** The name of the refused system call; undefined if Landlock refused the access. */
export function refusedCall(blocker: string): string | undefined {
  return blocker.startsWith(CALL) ? blocker.slice(CALL.length) : undefined;
}
