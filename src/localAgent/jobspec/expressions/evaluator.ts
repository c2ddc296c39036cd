/**
 * The interface of a job file's two evaluators: one evaluates only references, the other all of HCL2. Pure.
 */
import type { Type } from "./types.ts";
import type { Value } from "./values.ts";

export interface Found {
  readonly value: Value;
  /** How many steps of the path lead to the value. */
  readonly steps: number;
}

/**
 * Looks up a name such as `var` and the path that follows it. Undefined means that the client resolves the
 * reference.
 */
export type Names = (name: string, path: readonly (string | number)[], text: string) => Found | undefined;

export interface Evaluator {
  /** Evaluates template text. A string result is template text again. @throws TemplateError */
  readonly evaluate: (text: string, names: Names) => unknown;
  /** Evaluates an expression without braces around it: `["a", "b"]`. @throws TemplateError */
  readonly constant: (text: string, names: Names) => unknown;
  /**
   * Parses a variable's type, such as `${list(string)}`. An empty text means any type.
   * @throws TemplateError
   */
  readonly typeOf: (text: string) => Type;
}
