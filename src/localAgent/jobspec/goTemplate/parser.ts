/** Parses Go's text/template: https://pkg.go.dev/text/template. Pure. */
import { type Fault, TemplateError } from "../templateError.ts";
import type { Command, FunctionCall, Node, Operand, ParsedTemplate, Pipeline } from "./syntaxTree.ts";

export interface Delimiters {
  readonly left: string;
  readonly right: string;
}

/** @throws TemplateError that names the line */
export function parseGoTemplate(source: string, delimiters: Delimiters): ParsedTemplate {
  return new Parser(source, delimiters).parse();
}

interface Token {
  readonly kind: "text" | "word" | "field" | "variable" | "literal" | "sign" | "space" | "close" | "eof";
  readonly text: string;
  readonly value?: string | number | bigint;
  readonly line: number;
}

const reserved = new Set([
  "if",
  "else",
  "end",
  "range",
  "with",
  "define",
  "block",
  "template",
  "break",
  "continue",
]);
/** No real template is that deep. A deeper one could exhaust the stack. */
const maxDepth = 100;

class Parser {
  readonly #tokens: readonly Token[];
  readonly #defined = new Map<string, readonly Node[]>();
  readonly #calls = new Map<string, FunctionCall>();
  #at = 0;
  #depth = 0;

  constructor(source: string, delimiters: Delimiters) {
    this.#tokens = tokensOf(source, delimiters);
  }

  parse(): ParsedTemplate {
    const main = this.#nodes();
    if (this.#next.kind !== "eof") this.#fail(`{{ ${this.#next.text} }} closes nothing`);
    return { main, defined: this.#defined, calls: [...this.#calls.values()] };
  }

  /** Nodes up to the `end` or `else` that closes the section. */
  #nodes(): Node[] {
    if (++this.#depth > maxDepth) this.#fail("sections are nested too deeply");
    const nodes: Node[] = [];
    while (this.#next.kind !== "eof" && !this.#isWord("end") && !this.#isWord("else")) {
      const token = this.#next;
      if (token.kind === "text") {
        this.#at++;
        nodes.push({ kind: "text", text: token.text });
      } else {
        nodes.push(...this.#action());
      }
    }
    this.#depth--;
    return nodes;
  }

  #action(): Node[] {
    const { line, text, kind } = this.#next;
    if (kind !== "word" || !reserved.has(text)) {
      const pipeline = this.#pipeline();
      this.#endAction();
      return [{ kind: "output", ...pipeline }];
    }
    this.#at++;
    switch (text) {
      case "if":
      case "with":
      case "range":
        return [this.#branch(text, line)];
      case "break":
      case "continue":
        this.#endAction();
        return [{ kind: text, line }];
      case "define":
        this.#define(this.#name());
        return [];
      default: {
        const name = this.#name();
        this.#skipSpace();
        const argument = this.#next.kind === "close" ? undefined : this.#pipeline();
        if (text === "block") this.#define(name);
        else this.#endAction();
        return [{ kind: "template", name, argument, line }];
      }
    }
  }

  #define(name: string): void {
    this.#endAction();
    this.#defined.set(name, this.#nodes());
    this.#endSection();
  }

  #branch(kind: "if" | "with" | "range", line: number): Node {
    const pipeline = this.#pipeline(kind === "range" ? 2 : 1);
    this.#endAction();
    const body = this.#nodes();
    const otherwise = this.#isWord("else") ? this.#else(kind) : [];
    this.#endSection();
    return { kind, pipeline, body, otherwise, line };
  }

  /**
   * `{{ else }}`, or an `{{ else if }}` or `{{ else with }}`, which shares the `{{ end }}` of the first
   * `{{ if }}` or `{{ with }}`.
   */
  #else(of: "if" | "with" | "range"): Node[] {
    const { line } = this.#next;
    this.#at++;
    this.#skipSpace();
    if (of !== "range" && this.#isWord(of)) {
      this.#at++;
      const pipeline = this.#pipeline();
      this.#endAction();
      const body = this.#nodes();
      const otherwise = this.#isWord("else") ? this.#else(of) : [];
      return [{ kind: of, pipeline, body, otherwise, line }];
    }
    this.#endAction();
    return this.#nodes();
  }

  #endSection(): void {
    if (!this.#isWord("end")) this.#fail("an {{ end }} is missing");
    this.#at++;
    this.#endAction();
  }

  #pipeline(maxNames = 1): Pipeline {
    if (++this.#depth > maxDepth) this.#fail("the action is nested too deeply");
    this.#skipSpace();
    const { line } = this.#next;
    const { names, assigns } = this.#declaration(maxNames);
    const commands: Command[] = [];
    do commands.push(this.#command());
    while (this.#takeSign("|"));
    this.#depth--;
    return { names, assigns, commands, line };
  }

  #declaration(maxNames: number): Pick<Pipeline, "names" | "assigns"> {
    const start = this.#at;
    const names: string[] = [];
    do {
      this.#skipSpace();
      if (this.#next.kind !== "variable") break;
      names.push(this.#next.text);
      this.#at++;
    } while (names.length < maxNames && this.#takeSign(","));
    for (const sign of [":=", "="]) {
      if (names.length > 0 && this.#takeSign(sign)) return { names, assigns: sign === "=" };
    }
    this.#at = start;
    return { names: [], assigns: false };
  }

  #command(): Command {
    const operands: Operand[] = [];
    for (;;) {
      this.#skipSpace();
      const operand = this.#operand();
      if (operand === undefined) break;
      operands.push(operand);
    }
    if (operands.length === 0) this.#fail("a value or a function is missing");
    return operands;
  }

  #operand(): Operand | undefined {
    const token = this.#next;
    if (token.kind === "literal") {
      this.#at++;
      return { kind: "literal", value: token.value ?? null };
    }
    if (token.kind === "word") {
      if (reserved.has(token.text)) this.#fail(`${token.text} has no place here`);
      this.#at++;
      if (token.text === "true" || token.text === "false")
        return { kind: "literal", value: token.text === "true" };
      if (token.text === "nil") return { kind: "literal", value: null };
      if (!this.#calls.has(token.text)) this.#calls.set(token.text, { name: token.text, line: token.line });
      return { kind: "function", name: token.text };
    }
    if (token.kind === "variable") {
      this.#at++;
      return { kind: "value", root: token.text, fields: this.#fields() };
    }
    if (token.kind === "field") return { kind: "value", root: ".", fields: this.#fields() };
    if (token.kind !== "sign") return undefined;
    if (token.text === ".") {
      this.#at++;
      return { kind: "value", root: ".", fields: [] };
    }
    if (token.text !== "(") return undefined;
    this.#at++;
    const root = this.#pipeline();
    if (!this.#takeSign(")")) this.#fail(") is missing");
    return { kind: "value", root, fields: this.#fields() };
  }

  /** `.a.b`, directly after an operand. */
  #fields(): string[] {
    const fields: string[] = [];
    for (; this.#next.kind === "field"; this.#at++) fields.push(this.#next.text.slice(1));
    return fields;
  }

  #name(): string {
    this.#skipSpace();
    const { kind, value } = this.#next;
    if (kind !== "literal" || typeof value !== "string") return this.#fail("a name in quotes is missing");
    this.#at++;
    return value;
  }

  #endAction(): void {
    this.#skipSpace();
    if (this.#next.kind !== "close") this.#fail(`${JSON.stringify(this.#next.text)} has no place here`);
    this.#at++;
  }

  #isWord(word: string): boolean {
    return this.#next.kind === "word" && this.#next.text === word;
  }

  #takeSign(sign: string): boolean {
    this.#skipSpace();
    if (this.#next.kind !== "sign" || this.#next.text !== sign) return false;
    this.#at++;
    return true;
  }

  #skipSpace(): void {
    while (this.#next.kind === "space") this.#at++;
  }

  get #next(): Token {
    return this.#tokens[this.#at] ?? (this.#tokens.at(-1) as Token);
  }

  #fail(message: string): never {
    throw inLine(this.#next.line, message);
  }
}

/** An error that names a line of the template. */
export function inLine(line: number, message: string, fault?: Fault): TemplateError {
  return new TemplateError(`line ${line} of the template: ${message}`, "", fault);
}

/** All tokens, with the spaces between words, since `.a .b` are two values and `.a.b` is one. */
function tokensOf(source: string, delimiters: Delimiters): Token[] {
  return new Lexer(source, delimiters).tokens();
}

/** Splits a template into texts and the tokens of its actions. */
class Lexer {
  readonly #source: string;
  readonly #left: string;
  readonly #right: string;
  readonly #tokens: Token[] = [];
  #at = 0;
  #line = 1;

  constructor(source: string, { left, right }: Delimiters) {
    this.#source = source;
    this.#left = left;
    this.#right = right;
  }

  tokens(): Token[] {
    let trims = false;
    while (this.#readText(trims)) trims = this.#readAction();
    this.#push({ kind: "eof", text: "the end" });
    return this.#tokens;
  }

  /**
   * Reads the text before the next action, and the action's left delimiter.
   * @param trimsStart whether the action before trims the spaces at the text's start
   * @returns whether an action follows
   */
  #readText(trimsStart: boolean): boolean {
    const start = this.#source.indexOf(this.#left, this.#at);
    const isLast = start < 0;
    const action = start + this.#left.length;
    const trimsEnd = !isLast && /^-[ \t\r\n]/.test(this.#source.slice(action, action + 2));
    const text = this.#source.slice(this.#at, isLast ? undefined : start);
    const begun = trimsStart ? text.trimStart() : text;
    const trimmed = trimsEnd ? begun.trimEnd() : begun;
    if (trimmed !== "") this.#push({ kind: "text", text: trimmed });
    if (!isLast) this.#advance(action + (trimsEnd ? 2 : 0));
    return !isLast;
  }

  /** Reads an action to its end. @returns whether the action trims the spaces that follow */
  #readAction(): boolean {
    const comment = /^\s*\/\*[\s\S]*?\*\/\s*/.exec(this.#rest());
    if (comment) return this.#skipComment(comment[0]);
    for (let isFirst = true; ; isFirst = false) {
      const trims = this.#readClose();
      if (trims !== undefined) return trims;
      const token = this.#readToken();
      // The space before an action's first word separates nothing.
      if (token.kind !== "space" || !isFirst) this.#push(token);
      this.#advance(this.#at + token.text.length);
    }
  }

  #skipComment(text: string): boolean {
    this.#advance(this.#at + text.length);
    const trims = this.#source[this.#at] === "-";
    if (trims) this.#advance(this.#at + 1);
    if (!this.#source.startsWith(this.#right, this.#at)) {
      throw inLine(this.#line, `a comment ends with */ ${this.#right}`);
    }
    this.#advance(this.#at + this.#right.length);
    return trims;
  }

  /**
   * Reads the right delimiter.
   * @returns whether the delimiter trims the spaces that follow; undefined if no right delimiter comes next
   */
  #readClose(): boolean | undefined {
    const trim = /^[ \t\r\n]+-/.exec(this.#rest())?.[0] ?? "";
    const trims = trim !== "" && this.#source.startsWith(this.#right, this.#at + trim.length);
    const start = this.#at + (trims ? trim.length : 0);
    if (!this.#source.startsWith(this.#right, start)) return undefined;
    this.#advance(start + this.#right.length);
    this.#push({ kind: "close", text: this.#right });
    return trims;
  }

  #readToken(): Omit<Token, "line"> {
    const rest = this.#rest();
    if (rest === "") throw inLine(this.#line, `${this.#left} without ${this.#right}`);
    const token = readToken(rest);
    if (token !== undefined) return token;
    throw inLine(this.#line, `${JSON.stringify([...rest][0])} has no place in an action`);
  }

  #rest(): string {
    return this.#source.slice(this.#at);
  }

  #push(token: Omit<Token, "line">): void {
    this.#tokens.push({ ...token, line: this.#line });
  }

  #advance(to: number): void {
    this.#line += this.#source.slice(this.#at, to).split("\n").length - 1;
    this.#at = to;
  }
}

const patterns: readonly [Token["kind"], RegExp][] = [
  ["space", /^\s+/],
  ["literal", /^"(?:[^"\\\n]|\\.)*"|^`[^`]*`|^'(?:[^'\\\n]|\\[^\n])+'/],
  [
    "literal",
    /^[+-]?(?:0[xX][\da-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+|\d[\d_]*(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)(?![\w.])/,
  ],
  ["variable", /^\$[\p{L}\p{N}_]*/u],
  ["field", /^\.[\p{L}_][\p{L}\p{N}_]*/u],
  ["word", /^[\p{L}_][\p{L}\p{N}_]*/u],
  ["sign", /^:=|^[.|(),=]/],
];

function readToken(rest: string): Omit<Token, "line"> | undefined {
  for (const [kind, pattern] of patterns) {
    const text = pattern.exec(rest)?.[0];
    if (text === undefined) continue;
    return kind === "literal" ? { kind, text, value: literalOf(text) } : { kind, text };
  }
  return undefined;
}

function literalOf(text: string): string | number | bigint {
  if (text.startsWith("`")) return text.slice(1, -1);
  if (text.startsWith('"')) return unescaped(text.slice(1, -1));
  // A rune is its code point.
  if (text.startsWith("'")) return BigInt(unescaped(text.slice(1, -1)).codePointAt(0) ?? 0);
  const plain = text.replaceAll("_", "");
  const isFloat = !/^[+-]?0[xX]/.test(plain) && /[.eE]/.test(plain);
  if (isFloat) return Number(plain);
  const [, sign, digits = "0"] = /^([+-]?)(.+)$/.exec(plain) ?? [];
  const octal = /^0\d+$/.test(digits) ? `0o${digits.slice(1)}` : digits;
  const value = /^0o.*[89]/.test(octal) ? BigInt(digits) : BigInt(octal);
  return sign === "-" ? -value : value;
}

const escapes: Readonly<Record<string, string>> = {
  n: "\n",
  r: "\r",
  t: "\t",
  a: "\x07",
  b: "\b",
  f: "\f",
  v: "\v",
};

function unescaped(text: string): string {
  return text.replaceAll(
    /\\(?:u([\da-fA-F]{4})|U([\da-fA-F]{8})|x([\da-fA-F]{2})|([0-7]{3})|(.))/gs,
    (_, short?: string, long?: string, byte?: string, octal?: string, other = "") => {
      const hex = short ?? long ?? byte;
      if (hex === undefined && octal === undefined) return escapes[other] ?? other;
      const code = hex === undefined ? Number.parseInt(octal ?? "", 8) : Number.parseInt(hex, 16);
      return code > 0x10ffff ? "\ufffd" : String.fromCodePoint(code);
    },
  );
}
