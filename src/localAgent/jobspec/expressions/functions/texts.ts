/** HCL2's string functions. Pure. */

import { isList, type Value } from "../values.ts";
import {
  anything,
  type Functions,
  fail,
  type Parameter,
  takes,
  takesMany,
  text,
  texts,
  whole,
} from "./define.ts";
import { goFormat } from "./goFormat.ts";
import { titleCase, trimCutset, trimPrefix, trimSuffix } from "./goStrings.ts";
import type { Patterns } from "./patterns.ts";

const reversible: Parameter<string> = { ...text, expected: "a string: Nomad's reverse takes no list" };

const graphemes = new Intl.Segmenter("und");

export const textFunctions: Functions = {
  chomp: takes([text], (value) => value.replace(/(?:\r?\n)+$/, "")),
  format: takesMany([text], anything, 0, goFormat),
  formatlist: takesMany([text], anything, 0, formatList),
  indent: takes([whole, text], (count, value) =>
    value.replaceAll("\n", `\n${" ".repeat(checkedCount(count))}`),
  ),
  join: takesMany([text], texts, 1, (separator, ...lists) => lists.flat().join(separator)),
  lower: takes([text], (value) => value.toLowerCase()),
  replace: takes([text, text, text], (value, old, replacement) => value.split(old).join(replacement)),
  // In Nomad, reverse reverses a string, as strrev does.
  reverse: takes([reversible], reversed),
  strrev: takes([reversible], reversed),
  split: takes([text, text], (separator, value) =>
    separator === "" ? charactersOf(value) : value.split(separator),
  ),
  strlen: takes([text], (value) => charactersOf(value).length),
  substr: takes([text, whole, whole], substr),
  title: takes([text], titleCase),
  trim: takes([text, text], trimCutset),
  trimprefix: takes([text, text], trimPrefix),
  trimspace: takes([text], (value) => value.trim()),
  trimsuffix: takes([text, text], trimSuffix),
  upper: takes([text], (value) => value.toUpperCase()),
};

/** The functions of patterns. */
export function patternFunctions({ replaceAll }: Patterns): Functions {
  return { regex_replace: takes([text, text, text], replaceAll) };
}

/** Refuses large numbers of spaces: they are most likely a mistake, and the text could exhaust the memory. */
function checkedCount(count: number): number {
  return count >= 0 && count <= 10_000 ? count : fail("its number must be from 0 to 10000");
}

function charactersOf(value: string): string[] {
  return [...graphemes.segment(value)].map(({ segment }) => segment);
}

function reversed(value: string): string {
  return charactersOf(value).reverse().join("");
}

/** A negative offset counts from the end; a length of -1 means all that follows. */
function substr(value: string, offset: number, length: number): string {
  const characters = charactersOf(value);
  const from = offset < 0 ? Math.max(0, characters.length + offset) : offset;
  return characters.slice(from, length < 0 ? undefined : from + length).join("");
}

/** Formats the first items of all lists, then the second items, … A single value is used each time. */
function formatList(spec: string, ...values: readonly Value[]): Value {
  const lengths = values.filter(isList).map((each) => each.length);
  const [length = 1] = lengths;
  if (lengths.some((each) => each !== length)) fail("its lists must have the same length");
  return Array.from({ length }, (_, index) =>
    goFormat(spec, ...values.map((each) => (isList(each) ? (each[index] as Value) : each))),
  );
}
