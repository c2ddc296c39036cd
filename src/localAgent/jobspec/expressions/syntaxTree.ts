/** The syntax tree of HCL2's expressions and templates. Pure. */

interface Node {
  /** The source of the expression, for errors and for references that are resolved later. */
  readonly text: string;
}

export type Expression = Node &
  (
    | { readonly kind: "literal"; readonly value: string | number | boolean | null }
    | Template
    | { readonly kind: "variable"; readonly name: string }
    | { readonly kind: "index"; readonly of: Expression; readonly key: Expression }
    | Splat
    | Call
    | { readonly kind: "list"; readonly items: readonly Expression[] }
    | { readonly kind: "object"; readonly items: readonly (readonly [Expression, Expression])[] }
    | ForExpression
    | Conditional
    | { readonly kind: "unary"; readonly operator: "!" | "-"; readonly of: Expression }
    | Binary
  );

/** Text with expressions in it. Literal parts keep the escapes `$${` and `%%{`. */
export interface Template {
  readonly kind: "template";
  readonly parts: readonly TemplatePart[];
}

export type TemplatePart = string | Expression | IfDirective | ForDirective;

export interface IfDirective {
  readonly kind: "ifDirective";
  readonly condition: Expression;
  readonly then: readonly TemplatePart[];
  readonly else: readonly TemplatePart[];
}

export interface ForDirective extends Iteration {
  readonly kind: "forDirective";
  readonly body: readonly TemplatePart[];
}

/** `for key, value in collection`. */
export interface Iteration {
  readonly keyName: string | undefined;
  readonly valueName: string;
  readonly collection: Expression;
}

/** `of.*.each` or `of[*].each`. */
export interface Splat {
  readonly kind: "splat";
  readonly of: Expression;
  /** The keys that follow within each item. */
  readonly each: readonly Expression[];
}

export interface Call {
  readonly kind: "call";
  readonly name: string;
  readonly parameters: readonly Expression[];
  /** Whether the last parameter is a list of parameters, as in `f(a, list...)`. */
  readonly expands: boolean;
}

export interface ForExpression extends Iteration {
  readonly kind: "for";
  /** The key of an object's entry; undefined for a list. */
  readonly key: Expression | undefined;
  readonly value: Expression;
  /** Whether values of the same key are collected in a list: `key => value...`. */
  readonly groups: boolean;
  readonly condition: Expression | undefined;
}

export interface Conditional {
  readonly kind: "conditional";
  readonly condition: Expression;
  readonly then: Expression;
  readonly else: Expression;
}

export type BinaryOperator =
  | "||"
  | "&&"
  | "=="
  | "!="
  | "<"
  | "<="
  | ">"
  | ">="
  | "+"
  | "-"
  | "*"
  | "/"
  | "%";

export interface Binary {
  readonly kind: "binary";
  readonly operator: BinaryOperator;
  readonly left: Expression;
  readonly right: Expression;
}

/** A node without its source. */
export type Parsed<T = Expression> = T extends Node ? Omit<T, "text"> : never;
