/**
 * HCL2's template text: literals with `${reference}` in them. The HCL parser returns such text unchanged,
 * including the escapes `$${` and `%%{`. Pure.
 */
import { TemplateError } from "../templateError.ts";

/** A name to resolve, such as `var.image`, `env["X"]` or `NOMAD_PORT_http`. */
export interface Reference {
  readonly root: string;
  /** The names and list positions that follow the root. */
  readonly path: readonly (string | number)[];
  /** The text between the braces. */
  readonly text: string;
}

/** A string is a literal, still escaped. */
export type TemplatePart = string | Reference;

/** @throws TemplateError for directives (`%{`) and for expressions other than a reference */
export function parseTemplate(text: string): TemplatePart[] {
  const parts: TemplatePart[] = [];
  let literalStart = 0;
  let at = 0;
  while (at < text.length) {
    if (text.startsWith("$${", at) || text.startsWith("%%{", at)) {
      at += 3;
    } else if (text.startsWith("%{", at)) {
      throw new TemplateError(
        "inside a value, a local run does not evaluate %{ } directives",
        text.slice(at, at + 20),
      );
    } else if (text.startsWith("${", at)) {
      const end = closingBrace(text, at + 2);
      if (at > literalStart) parts.push(text.slice(literalStart, at));
      parts.push(parseReference(text.slice(at + 2, end)));
      at = literalStart = end + 1;
    } else {
      at++;
    }
  }
  if (literalStart < text.length) parts.push(text.slice(literalStart));
  return parts;
}

/** The plain text of an escaped literal. */
export function unescapeLiteral(text: string): string {
  return text.replaceAll(/\$\$\{|%%\{/g, (escaped) => escaped.slice(1));
}

/** Escapes plain text for a template: the inverse of {@link unescapeLiteral}. */
export function escapeLiteral(text: string): string {
  return text.replaceAll(/[$%]\{/g, (opening) => opening[0] + opening);
}

const namePattern = /[\p{L}_][\p{L}\p{N}_-]*/u.source;
const stepPattern = `\\.(?<name>${namePattern})|\\.(?<position>\\d+)|\\[\\s*(?<index>\\d+)\\s*\\]|\\[\\s*"(?<key>[^"\\\\$]*)"\\s*\\]`;
const referencePattern = new RegExp(`^${namePattern}(?:${stepPattern.replaceAll(/\?<\w+>/g, "?:")})*$`, "u");

function parseReference(inside: string): Reference {
  const text = inside.trim();
  if (!referencePattern.test(text)) {
    throw new TemplateError(
      `inside a value, a local run only looks up names and does not evaluate \${${inside}}`,
      inside,
    );
  }
  const root = new RegExp(namePattern, "u").exec(text)?.[0] ?? text;
  const path = [...text.slice(root.length).matchAll(new RegExp(stepPattern, "gu"))].map(({ groups = {} }) => {
    const number = groups.position ?? groups.index;
    return number === undefined ? (groups.name ?? groups.key ?? "") : Number(number);
  });
  return { root, path, text };
}

/** Position of the brace that ends an expression. Braces in quoted text do not count. */
function closingBrace(text: string, from: number): number {
  let depth = 0;
  let quoted = false;
  for (let at = from; at < text.length; at++) {
    const character = text[at];
    if (quoted && character === "\\") at++;
    else if (character === '"') quoted = !quoted;
    else if (quoted) continue;
    else if (character === "{") depth++;
    else if (character === "}" && depth-- === 0) return at;
  }
  throw new TemplateError("${ without its closing brace", text.slice(from - 2, from + 20));
}
