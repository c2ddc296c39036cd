/**
 * What an expression over a moment is made of. The language has no loops, no
 * functions and no patterns, and an expression has a greatest length: whatever
 * is written, its evaluation ends, and soon.
 */

export type Expression =
  | { readonly kind: "literal"; readonly value: Literal }
  | Path
  /** Whether the value at the path is another one than before the event. */
  | { readonly kind: "changed"; readonly of: Path }
  | { readonly kind: "not"; readonly of: Expression }
  | { readonly kind: "and" | "or"; readonly left: Expression; readonly right: Expression }
  | Comparison;

export type Literal = string | number | boolean | null;

/** A value of the moment. */
export interface Path {
  readonly kind: "path";
  /** From the outside in, such as `["exit", "exitCode"]`. */
  readonly names: readonly string[];
}

export interface Comparison {
  readonly kind: "comparison";
  readonly operator: ComparisonOperator;
  readonly left: Expression;
  readonly right: Expression;
}

export const comparisonOperators = ["==", "!=", "<=", ">=", "<", ">", "contains"] as const;
export type ComparisonOperator = (typeof comparisonOperators)[number];

/** The text of a path, as it was written. */
export function pathText({ names }: Path): string {
  return names.join(".");
}
