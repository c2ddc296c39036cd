/** What an evaluator of texts does, be it of references alone or of all of HCL2. */
import type { Type } from "./types.ts";
import type { Value } from "./values.ts";

export interface Found {
  readonly value: Value;
  /** The number of steps of the path that the value is the result of. */
  readonly steps: number;
}

/** The value of a name such as `var`, with all that follows it; undefined leaves it to the client. */
export type Names = (name: string, path: readonly (string | number)[], text: string) => Found | undefined;

export interface Evaluator {
  /** The value of template text, which is template text again if it is a text. @throws TemplateError */
  readonly evaluate: (text: string, names: Names) => unknown;
  /** The value of an expression without braces around it: `["a", "b"]`. @throws TemplateError */
  readonly constant: (text: string, names: Names) => unknown;
  /** @param text the type of a variable, such as `${list(string)}`; any if it is empty. @throws TemplateError */
  readonly typeOf: (text: string) => Type;
}
