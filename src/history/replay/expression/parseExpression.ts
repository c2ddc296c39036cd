/**
 * Parses an expression:
 *
 *     disjunction = conjunction { "or" conjunction }
 *     conjunction = negation { "and" negation }
 *     negation    = "not" negation | comparison
 *     comparison  = value [ ("==" | "!=" | "<" | "<=" | ">" | ">=" | "contains") value ]
 *     value       = number | text | "true" | "false" | "null" | path | "changed" path | "(" disjunction ")"
 *
 * `||`, `&&`, `!` and `=` are aliases of `or`, `and`, `not` and `==`. Pure.
 */
import { DriverError } from "../../../base/errors.ts";
import { suggestion } from "../../../base/suggest.ts";
import { parseDuration } from "../../../units/durations.ts";
import { parseSize } from "../../../units/sizes.ts";
import { cutText } from "../../../units/widths.ts";
import { type Fields, fieldsAt } from "./fields.ts";
import { type ComparisonOperator, comparisonOperators, type Expression, type Path } from "./syntax.ts";

/**
 * @param known names that a path may begin with
 * @param ofContext names of the context, the only ones that `changed` accepts
 * @throws DriverError `EXPRESSION_INVALID` that says what is wrong, and where
 */
export function parseExpression(
  text: string,
  known: ReadonlySet<string>,
  ofContext: ReadonlySet<string>,
): Expression {
  return new Parser(text, known, ofContext).all();
}

/** Maximum depth of parentheses and negations, more than any person writes. */
const maxDepth = 50;

const aliases: Readonly<Record<string, string>> = { "||": "or", "&&": "and", "!": "not", "=": "==" };
const constants: Readonly<Record<string, boolean | null>> = { true: true, false: false, null: null };
/** Words that cannot be names. */
const reserved: ReadonlySet<string> = new Set(["or", "and", "not", "contains", "changed"]);

class Parser {
  readonly #text: string;
  readonly #known: ReadonlySet<string>;
  readonly #ofContext: ReadonlySet<string>;
  readonly #tokens: readonly Token[];
  #next = 0;
  #depth = 0;

  constructor(text: string, known: ReadonlySet<string>, ofContext: ReadonlySet<string>) {
    this.#text = text;
    this.#known = known;
    this.#ofContext = ofContext;
    this.#tokens = tokensOf(text);
  }

  all(): Expression {
    const expression = this.#disjunction();
    if (this.#token.kind !== "end") throw this.#wrong('"and", "or" or a comparison is expected here');
    return expression;
  }

  #disjunction(): Expression {
    let left = this.#conjunction();
    while (this.#takes("or")) left = { kind: "or", left, right: this.#conjunction() };
    return left;
  }

  #conjunction(): Expression {
    let left = this.#negation();
    while (this.#takes("and")) left = { kind: "and", left, right: this.#negation() };
    return left;
  }

  #negation(): Expression {
    if (!this.#takes("not")) return this.#comparison();
    return this.#deeper(() => ({ kind: "not", of: this.#negation() }));
  }

  #comparison(): Expression {
    const left = this.#value();
    const operator = this.#operator();
    return operator === undefined ? left : { kind: "comparison", operator, left, right: this.#value() };
  }

  #operator(): ComparisonOperator | undefined {
    return comparisonOperators.find((operator) => this.#takes(operator));
  }

  #value(): Expression {
    if (this.#takes("(")) return this.#deeper(() => this.#parenthesized());
    if (this.#takes("changed")) return { kind: "changed", of: this.#path(this.#ofContext) };
    const { kind, value } = this.#token;
    if (kind === "text" || kind === "number") {
      this.#next += 1;
      return { kind: "literal", value };
    }
    if (kind === "word" && Object.hasOwn(constants, value)) {
      this.#next += 1;
      return { kind: "literal", value: constants[value] as boolean | null };
    }
    return this.#path(this.#known);
  }

  #parenthesized(): Expression {
    const inner = this.#disjunction();
    if (!this.#takes(")")) throw this.#wrong("a closing parenthesis is missing");
    return inner;
  }

  #path(known: ReadonlySet<string>): Path {
    const { kind, value } = this.#token;
    if (kind !== "word" || reserved.has(value)) throw this.#wrong("a value is expected here");
    const names = value.split(".");
    const [first = ""] = names;
    if (!known.has(first)) {
      throw this.#wrong(`there is no value ${first}; text needs quotes`, suggestion(first, [...known]));
    }
    this.#checkFields(names);
    this.#next += 1;
    return { kind: "path", names };
  }

  #checkFields(names: readonly string[]): void {
    const missing = names.findIndex((_, index) => fieldsAt(names.slice(0, index + 1)) === undefined);
    if (missing < 0) return;
    const name = names[missing] ?? "";
    const outer = names.slice(0, missing).join(".");
    const { named = new Map<string, Fields>() } = fieldsAt(names.slice(0, missing)) ?? {};
    throw this.#wrong(`${outer} has no field ${name}`, suggestion(name, [...named.keys()]));
  }

  #deeper<T>(read: () => T): T {
    this.#depth += 1;
    if (this.#depth > maxDepth) throw this.#wrong("it is nested too deeply");
    const value = read();
    this.#depth -= 1;
    return value;
  }

  get #token(): Token {
    return this.#tokens[this.#next] as Token;
  }

  /** Consumes the next token if it is this word or sign. */
  #takes(expected: string): boolean {
    const { kind, value } = this.#token;
    if (kind !== "word" && kind !== "sign") return false;
    if ((aliases[value] ?? value) !== expected) return false;
    this.#next += 1;
    return true;
  }

  #wrong(problem: string, hint?: string) {
    return invalid(this.#text, this.#token.at, problem, hint);
  }
}

type Token = { readonly at: number } & (
  | { readonly kind: "text"; readonly value: string }
  | { readonly kind: "number"; readonly value: number }
  | { readonly kind: "word"; readonly value: string }
  | { readonly kind: "sign"; readonly value: string }
  | { readonly kind: "end"; readonly value: "" }
);

/** Longer expressions are refused, so that parsing and testing are fast. */
const maxLength = 1_000;

/** Tried in this order at each position. `'` and `"` enclose text; a backslash escapes the next character. */
const patterns = {
  space: /\s+/y,
  text: /"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'/sy,
  number: /-?\d[\wµ.]*/y,
  word: /[A-Za-z_][\w-]*(?:\.[\w-]+)*/y,
  sign: /==|!=|<=|>=|&&|\|\||[=<>!()]/y,
} as const;

/** @throws DriverError `EXPRESSION_INVALID` with the position */
function tokensOf(text: string): Token[] {
  if (text.length > maxLength) throw invalid(text, maxLength, `it is longer than ${maxLength} characters`);
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length) {
    const [kind, value] = tokenAt(text, at);
    if (kind !== "space") tokens.push({ ...read(kind, value, text, at), at });
    at += value.length;
  }
  return [...tokens, { kind: "end", value: "", at }];
}

/** An error that shows its position. */
function invalid(text: string, at: number, problem: string, hint?: string): DriverError {
  const rest = text.slice(at, at + 20);
  const place = rest === "" ? "at the end" : `at "${rest}${at + 20 < text.length ? "…" : ""}"`;
  return new DriverError(
    "EXPRESSION_INVALID",
    `"${cutText(text, 60)}", ${place}: ${problem}`,
    hint === undefined ? {} : { hint },
  );
}

type Kind = keyof typeof patterns;

function tokenAt(text: string, at: number): [Kind, string] {
  for (const [kind, pattern] of Object.entries(patterns) as [Kind, RegExp][]) {
    pattern.lastIndex = at;
    const [value] = pattern.exec(text) ?? [];
    if (value !== undefined) return [kind, value];
  }
  const quote = text[at] === '"' || text[at] === "'";
  throw invalid(text, at, quote ? "the quote is not closed" : "this character is not expected here");
}

function read(kind: Exclude<Kind, "space">, value: string, text: string, at: number) {
  if (kind === "text") return { kind, value: value.slice(1, -1).replaceAll(/\\(.)/gs, "$1") };
  if (kind !== "number") return { kind, value };
  const number = numberIn(value);
  if (number !== undefined) return { kind, value: number };
  throw invalid(text, at, "this is not a number", "Units are ms, s, m or min, h, d and KiB, MiB, GiB");
}

/** Durations in milliseconds, sizes in bytes: the units of events. */
function numberIn(text: string): number | undefined {
  const amount = text.replace("-", "");
  const number = /^\d+(\.\d+)?$/.test(amount) ? Number(amount) : (parseDuration(amount) ?? parseSize(amount));
  return number && (text === amount ? number : -number);
}
