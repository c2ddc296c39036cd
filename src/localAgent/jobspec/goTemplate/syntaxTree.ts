/** The syntax tree of Go's text/template. Pure. */

export type Node =
  | { readonly kind: "text"; readonly text: string }
  | ({ readonly kind: "output" } & Pipeline)
  | Branch
  | ({ readonly kind: "break" | "continue" } & Line)
  | ({ readonly kind: "template"; readonly name: string; readonly argument: Pipeline | undefined } & Line);

interface Line {
  /** Number of the template's line, from 1. */
  readonly line: number;
}

export interface Branch extends Line {
  readonly kind: "if" | "with" | "range";
  readonly pipeline: Pipeline;
  readonly body: readonly Node[];
  readonly otherwise: readonly Node[];
}

export interface Pipeline extends Line {
  /** Variables that get the value: `$x :=`, `$i, $x := range`. */
  readonly names: readonly string[];
  /** True for `=`, which assigns to existing variables; false for `:=`. */
  readonly assigns: boolean;
  readonly commands: readonly Command[];
}

/** A function or value, with its arguments. The value of the previous command becomes the last argument. */
export type Command = readonly Operand[];

export type Operand =
  | { readonly kind: "literal"; readonly value: string | number | bigint | boolean | null }
  | { readonly kind: "function"; readonly name: string }
  | {
      readonly kind: "value";
      /** `.`, `$` and `$name`, or a pipeline in parentheses. */
      readonly root: string | Pipeline;
      readonly fields: readonly string[];
    };

export interface ParsedTemplate {
  readonly main: readonly Node[];
  /** The templates of `define` and `block`, by their names. */
  readonly defined: ReadonlyMap<string, readonly Node[]>;
  /** The first call of each function, in the order of the text. */
  readonly calls: readonly FunctionCall[];
}

export interface FunctionCall extends Line {
  readonly name: string;
}
