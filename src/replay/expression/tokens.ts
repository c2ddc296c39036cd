/** Splits an expression into tokens. Pure. */
import { DriverError } from "../../errors.ts";
import { parseDuration } from "../../units/durations.ts";
import { parseSize } from "../../units/sizes.ts";
import { cutText } from "../../units/widths.ts";

export type Token = { readonly at: number } & (
  | { readonly kind: "text"; readonly value: string }
  | { readonly kind: "number"; readonly value: number }
  | { readonly kind: "word"; readonly value: string }
  | { readonly kind: "sign"; readonly value: string }
  | { readonly kind: "end"; readonly value: "" }
);

/** Longer expressions are refused, so that none takes long. */
const maxLength = 1_000;

/** Tried in this order at each position. `'` and `"` enclose text; a backslash quotes the next character. */
const patterns = {
  space: /\s+/y,
  text: /"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'/sy,
  number: /-?\d[\wµ.]*/y,
  word: /[A-Za-z_][\w-]*(?:\.[\w-]+)*/y,
  sign: /==|!=|<=|>=|&&|\|\||[=<>!()]/y,
} as const;

/** @throws DriverError `EXPRESSION_INVALID` with the position */
export function tokensOf(text: string): Token[] {
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
export function invalid(text: string, at: number, problem: string, hint?: string): DriverError {
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
