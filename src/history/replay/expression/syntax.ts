/**
 * The syntax tree of an expression over one moment of a history. The language has no loops, functions or
 * patterns, and the length of an expression is limited, so evaluation always ends quickly. Pure.
 */

export type Expression =
  | { readonly kind: "literal"; readonly value: Literal }
  | Path
  /** Whether the value at the path differs from the value before the event. */
  | { readonly kind: "changed"; readonly of: Path }
  | { readonly kind: "not"; readonly of: Expression }
  | { readonly kind: "and" | "or"; readonly left: Expression; readonly right: Expression }
  | Comparison;

export type Literal = string | number | boolean | null;

/** A reference to a value of the moment. */
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

/** A path as it is written in an expression. */
export function pathText({ names }: Path): string {
  return names.join(".");
}
