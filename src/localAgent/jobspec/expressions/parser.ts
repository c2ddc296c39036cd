/**
 * Parses HCL2's expressions and templates, by the grammar of its specification
 * (hashicorp/hcl, hclsyntax/spec.md). Pure.
 */
import { TemplateError } from "../templateError.ts";
import type { BinaryOperator, Expression, Iteration, Parsed, TemplatePart } from "./syntaxTree.ts";

/** @throws TemplateError */
export function parseExpression(text: string): Expression {
  const parser = new Parser(text);
  const expression = parser.expression();
  parser.end();
  return expression;
}

/**
 * Parses the text of an attribute. Backslashes are literal, because the parser of the file has already
 * replaced escapes.
 * @returns the expression alone for a text that is a single `${…}`, so that the value keeps its type
 * @throws TemplateError
 */
export function parseTemplateText(text: string): Expression {
  const parser = new Parser(text);
  const template = parser.template("text");
  parser.end();
  return template;
}

/** How a template ends, and whether a backslash escapes a character. */
type Ending = "text" | "quote";

/** Operators by precedence, from the lowest. */
const operators: readonly (readonly BinaryOperator[])[] = [
  ["||"],
  ["&&"],
  ["==", "!="],
  ["<=", ">=", "<", ">"],
  ["+", "-"],
  ["*", "/", "%"],
];

const escapes: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t", '"': '"', "\\": "\\" };

/** Real expressions stay below these limits. The tree of a larger expression could exhaust the stack. */
const maxDepth = 200;
const maxLength = 1_000;

class Parser {
  readonly #text: string;
  #at = 0;
  #depth = 0;
  /** False within the braces of an object, where a line's end separates items. */
  #linesAreSpace = true;

  constructor(text: string) {
    this.#text = text;
  }

  end(): void {
    this.#space();
    if (this.#at < this.#text.length) this.#fail("the expression should end here");
  }

  expression(): Expression {
    return this.#nested(() => {
      const start = this.#space();
      const condition = this.#binary(0);
      if (!this.#take("?")) return condition;
      const then = this.expression();
      this.#expect(":");
      return this.#node(start, { kind: "conditional", condition, then, else: this.expression() });
    });
  }

  #binary(level: number): Expression {
    const known = operators[level];
    if (known === undefined) return this.#unary();
    const start = this.#space();
    let left = this.#binary(level + 1);
    for (let length = 0; ; length++) {
      const operator = known.find((each) => this.#take(each));
      if (operator === undefined) return left;
      if (length > maxLength) this.#fail("the expression is too long");
      left = this.#node(start, { kind: "binary", operator, left, right: this.#binary(level + 1) });
    }
  }

  #unary(): Expression {
    const start = this.#space();
    const operator = (["!", "-"] as const).find((each) => this.#text[this.#at] === each);
    if (operator === undefined) return this.#postfix();
    this.#at++;
    return this.#node(start, { kind: "unary", operator, of: this.#nested(() => this.#unary()) });
  }

  #postfix(): Expression {
    const start = this.#space();
    let of = this.#primary();
    for (let length = 0; ; length++) {
      if (length > maxLength) this.#fail("the expression is too long");
      if (this.#take("[*]")) {
        of = this.#splat(start, of, () => this.#step());
      } else if (this.#looksAt(/\.\s*\*/y)) {
        this.#match(/\.\s*\*/y);
        of = this.#splat(start, of, () => this.#attribute());
      } else {
        const key = this.#step();
        if (key === undefined) return of;
        of = this.#node(start, { kind: "index", of, key });
      }
    }
  }

  #splat(start: number, of: Expression, next: () => Expression | undefined): Expression {
    const each: Expression[] = [];
    for (let key = next(); key !== undefined; key = next()) each.push(key);
    return this.#node(start, { kind: "splat", of, each });
  }

  /** `.name`, `.0` or `[key]`. */
  #step(): Expression | undefined {
    if (!this.#looksAt(/\[(?!\*\])/y)) return this.#attribute();
    this.#expect("[");
    const key = this.#withLinesAsSpace(true, () => this.expression());
    this.#expect("]");
    return key;
  }

  #attribute(): Expression | undefined {
    const start = this.#spaceFrom(this.#at);
    if (!this.#looksAt(/\.(?![.*])/y)) return undefined;
    this.#expect(".");
    const digits = this.#match(/\d+/y);
    if (digits !== undefined) return this.#node(start, { kind: "literal", value: Number(digits) });
    return this.#node(start, { kind: "literal", value: this.#name("the name of an attribute") });
  }

  #primary(): Expression {
    const start = this.#space();
    const character = this.#text[this.#at] ?? "";
    if (character === "(") return this.#parenthesis();
    if (character === "[") return this.#list(start);
    if (character === "{") return this.#object(start);
    if (character === '"') {
      this.#at++;
      const template = this.template("quote");
      this.#at++;
      return { ...template, text: this.#text.slice(start, this.#at) };
    }
    if (this.#text.startsWith("<<", this.#at)) return this.#heredoc(start);
    const digits = this.#match(/\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y);
    if (digits !== undefined) return this.#node(start, { kind: "literal", value: Number(digits) });
    return this.#named(start, this.#name("an expression"));
  }

  #named(start: number, name: string): Expression {
    if (name === "true" || name === "false") {
      return this.#node(start, { kind: "literal", value: name === "true" });
    }
    if (name === "null") return this.#node(start, { kind: "literal", value: null });
    if (!this.#looksAt(/\(/y)) return this.#node(start, { kind: "variable", name });
    this.#expect("(");
    return this.#withLinesAsSpace(true, () => this.#call(start, name));
  }

  #call(start: number, name: string): Expression {
    const parameters: Expression[] = [];
    let expands = false;
    while (!this.#take(")")) {
      parameters.push(this.expression());
      expands = this.#take("...");
      if (expands || !this.#take(",")) {
        this.#expect(")");
        break;
      }
    }
    return this.#node(start, { kind: "call", name, parameters, expands });
  }

  #parenthesis(): Expression {
    this.#expect("(");
    const inside = this.#withLinesAsSpace(true, () => this.expression());
    this.#expect(")");
    return inside;
  }

  #list(start: number): Expression {
    this.#expect("[");
    return this.#withLinesAsSpace(true, () => {
      if (this.#looksAt(/for\b/y)) return this.#for(start, "]");
      const items: Expression[] = [];
      while (!this.#take("]")) {
        items.push(this.expression());
        if (!this.#take(",")) {
          this.#expect("]");
          break;
        }
      }
      return this.#node(start, { kind: "list", items });
    });
  }

  #object(start: number): Expression {
    this.#expect("{");
    if (this.#withLinesAsSpace(true, () => this.#looksAt(/for\b/y))) {
      return this.#withLinesAsSpace(true, () => this.#for(start, "}"));
    }
    const items: (readonly [Expression, Expression])[] = [];
    for (;;) {
      this.#withLinesAsSpace(true, () => this.#space());
      if (this.#take("}")) break;
      this.#withLinesAsSpace(false, () => {
        const key = this.#key();
        if (!this.#take("=")) this.#expect(":");
        items.push([key, this.expression()]);
      });
      const ends = this.#withLinesAsSpace(false, () => this.#take(",") || this.#looksAt(/[\r\n}]/y));
      if (!ends) this.#fail("a comma or the end of the line is expected here");
    }
    return this.#node(start, { kind: "object", items });
  }

  /** A bare name is the key itself. Any other expression is evaluated. */
  #key(): Expression {
    const start = this.#space();
    const name = this.#looksAt(new RegExp(`${namePattern.source}\\s*[=:](?!=)`, "uy"))
      ? this.#match(namePattern)
      : undefined;
    return name === undefined ? this.expression() : this.#node(start, { kind: "literal", value: name });
  }

  #for(start: number, closing: "]" | "}"): Expression {
    const iteration = this.#iteration();
    this.#expect(":");
    let value = this.expression();
    let key: Expression | undefined;
    if (closing === "}") {
      this.#expect("=>");
      key = value;
      value = this.expression();
    }
    const groups = closing === "}" && this.#take("...");
    const condition = this.#word("if") ? this.expression() : undefined;
    this.#expect(closing);
    return this.#node(start, { kind: "for", ...iteration, key, value, groups, condition });
  }

  #iteration(): Iteration {
    if (!this.#word("for")) this.#fail("for is expected here");
    const first = this.#name("a name for the items");
    const second = this.#take(",") ? this.#name("a name for the items") : undefined;
    if (!this.#word("in")) this.#fail("in is expected here");
    return {
      keyName: second === undefined ? undefined : first,
      valueName: second ?? first,
      collection: this.expression(),
    };
  }

  /** `<<NAME`, or `<<-NAME`, which strips the indentation that all lines share. */
  #heredoc(start: number): Expression {
    const [, indented, name] = /^<<(-?)([\w-]+)\r?\n/.exec(this.#text.slice(this.#at)) ?? [];
    if (name === undefined) return this.#fail("<< begins a heredoc, such as <<EOF");
    const lines = this.#text.slice(this.#text.indexOf("\n", this.#at) + 1).split("\n");
    const end = lines.findIndex((line) => line.trim() === name);
    if (end < 0) this.#fail(`the line ${name}, which ends the heredoc, is missing`);
    const content = lines.slice(0, end);
    const skipped = content.reduce((sum, line) => sum + line.length + 1, 0);
    this.#at = this.#text.indexOf("\n", this.#at) + 1 + skipped + (lines[end]?.length ?? 0);
    const indent = indented ? Math.min(...content.filter((line) => line.trim()).map(indentOf)) : 0;
    const text = content.map((line) => `${line.slice(indent)}\n`).join("");
    return { ...parseTemplateText(text), text: this.#text.slice(start, this.#at) };
  }

  /** @param ending `quote` stops before the closing quote */
  template(ending: Ending): Expression {
    const start = this.#at;
    const parts = this.#withLinesAsSpace(true, () => this.#parts(ending, []));
    const [only] = parts;
    if (parts.length === 0) return this.#node(start, { kind: "literal", value: "" });
    if (parts.length > 1 || only === undefined) return this.#node(start, { kind: "template", parts });
    if (typeof only === "string") return this.#node(start, { kind: "literal", value: only });
    const isDirective = only.kind === "ifDirective" || only.kind === "forDirective";
    return isDirective ? this.#node(start, { kind: "template", parts }) : only;
  }

  /**
   * @param until the directives that may end the section; if all are missing, the error names the last one.
   *   Empty for a whole template
   */
  #parts(ending: Ending, until: readonly string[]): TemplatePart[] {
    const parts: TemplatePart[] = [];
    let literal = "";
    const flush = () => {
      if (literal !== "") parts.push(literal);
      literal = "";
    };
    for (;;) {
      const rest = this.#text.slice(this.#at, this.#at + 3);
      if (rest === "" || (ending === "quote" && rest[0] === '"')) {
        if (rest === "" && ending === "quote") this.#fail('the closing " is missing');
        if (until.length > 0) this.#fail(`%{ ${until.at(-1)} } is missing`);
        flush();
        return parts;
      }
      if (rest === "$${" || rest === "%%{") {
        literal += rest;
        this.#at += 3;
      } else if (rest.startsWith("${") || rest.startsWith("%{")) {
        const opening = /[$%]\{(~?)/y;
        const trimsBefore = this.#match(opening, false)?.endsWith("~");
        if (trimsBefore) literal = literal.trimEnd();
        const isDirective = rest.startsWith("%");
        if (isDirective && until.some((word) => this.#looksAt(new RegExp(`${word}\\b`, "y")))) {
          flush();
          return parts;
        }
        flush();
        parts.push(isDirective ? this.#directive(ending) : this.#interpolation());
      } else if (ending === "quote" && rest[0] === "\\") {
        literal += this.#escape();
      } else {
        literal += rest[0];
        this.#at++;
      }
    }
  }

  #interpolation(): Expression {
    const inside = this.expression();
    this.#closeSequence();
    return inside;
  }

  /** `}`, or `~}`, which strips the spaces that follow. */
  #closeSequence(): void {
    const trims = this.#take("~");
    this.#expect("}");
    if (trims) this.#match(/\s*/y, false);
  }

  #directive(ending: Ending): TemplatePart {
    return this.#nested(() => this.#section(ending));
  }

  #section(ending: Ending): TemplatePart {
    if (this.#word("if")) {
      const condition = this.expression();
      this.#closeSequence();
      const then = this.#parts(ending, ["else", "endif"]);
      const hasElse = this.#word("else");
      if (hasElse) this.#closeSequence();
      const otherwise = hasElse ? this.#parts(ending, ["endif"]) : [];
      this.#word("endif");
      this.#closeSequence();
      return { kind: "ifDirective", condition, then, else: otherwise };
    }
    if (!this.#looksAt(/for\b/y)) this.#fail("a directive is if or for");
    const iteration = this.#iteration();
    this.#closeSequence();
    const body = this.#parts(ending, ["endfor"]);
    this.#word("endfor");
    this.#closeSequence();
    return { kind: "forDirective", ...iteration, body };
  }

  #escape(): string {
    const [whole, code] =
      /^\\(?:u([\da-fA-F]{4})|U([\da-fA-F]{8})|(.))/s.exec(this.#text.slice(this.#at)) ?? [];
    if (whole === undefined) return this.#fail("a backslash ends the text");
    const hex = code ?? (whole.startsWith("\\U") && whole.length > 2 ? whole.slice(2) : undefined);
    const plain = escapes[whole[1] ?? ""];
    if (hex === undefined && plain === undefined) return this.#fail(`there is no escape ${whole}`);
    if (hex !== undefined && Number.parseInt(hex, 16) > 0x10ffff)
      return this.#fail(`there is no character ${whole}`);
    this.#at += whole.length;
    return plain ?? String.fromCodePoint(Number.parseInt(hex ?? "", 16));
  }

  #name(expected: string): string {
    return this.#match(namePattern) ?? this.#fail(`${expected} is expected here`);
  }

  #word(word: string): boolean {
    return this.#match(new RegExp(`${word}\\b(?!-)`, "y")) !== undefined;
  }

  #expect(text: string): void {
    if (!this.#take(text)) this.#fail(`${text} is expected here`);
  }

  #take(text: string): boolean {
    const at = this.#spaceFrom(this.#at);
    if (!this.#text.startsWith(text, at)) return false;
    this.#at = at + text.length;
    return true;
  }

  #looksAt(pattern: RegExp): boolean {
    pattern.lastIndex = this.#spaceFrom(this.#at);
    return pattern.test(this.#text);
  }

  #match(pattern: RegExp, skipsSpace = true): string | undefined {
    pattern.lastIndex = skipsSpace ? this.#spaceFrom(this.#at) : this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found !== undefined) this.#at = pattern.lastIndex;
    return found;
  }

  #space(): number {
    this.#at = this.#spaceFrom(this.#at);
    return this.#at;
  }

  #spaceFrom(at: number): number {
    const space = this.#linesAreSpace ? anySpace : spaceInLine;
    space.lastIndex = at;
    space.test(this.#text);
    return space.lastIndex;
  }

  #nested<T>(work: () => T): T {
    if (++this.#depth > maxDepth) this.#fail("the expression is nested too deeply");
    const result = work();
    this.#depth--;
    return result;
  }

  #withLinesAsSpace<T>(linesAreSpace: boolean, work: () => T): T {
    const before = this.#linesAreSpace;
    this.#linesAreSpace = linesAreSpace;
    const result = work();
    this.#linesAreSpace = before;
    return result;
  }

  #node(start: number, parsed: Parsed): Expression {
    return { ...parsed, text: this.#text.slice(start, this.#at).trim() } as Expression;
  }

  #fail(message: string): never {
    const shown = this.#text.slice(this.#at, this.#at + 20).split("\n", 1)[0] ?? "";
    const where = shown === "" ? "the expression ends too early" : `at ${JSON.stringify(shown)}`;
    throw new TemplateError(`${message} (${where})`, shown);
  }
}

const namePattern = /[\p{L}_][\p{L}\p{N}_-]*/uy;
const comment = /#[^\n]*|\/\/[^\n]*|\/\*[\s\S]*?\*\//.source;
const anySpace = new RegExp(`(?:\\s|${comment})*`, "y");
const spaceInLine = new RegExp(`(?:[^\\S\\n]|${comment})*`, "y");

function indentOf(line: string): number {
  return line.length - line.trimStart().length;
}
