/** Replaces references by values: first those that the file defines, later those of the allocation. */
import { parseTemplate, type Reference, TemplateError, unescapeLiteral } from "./template.ts";

/** The value of a reference; undefined leaves it for a later step. */
export type Lookup = (reference: Reference) => unknown;

/**
 * Replaces the references that `lookup` knows, in all strings of a value, keys
 * included. The result is still template text. A string that is a single reference
 * becomes the value itself, whatever its type.
 * @throws TemplateError if a text cannot be parsed, or from `lookup`
 */
export function substitute(value: unknown, lookup: Lookup): unknown {
  return mapStrings(value, (text) => {
    const parts = parseTemplate(text);
    const [only] = parts;
    if (parts.length === 1 && typeof only === "object") {
      const found = lookup(only);
      return found === undefined ? text : found;
    }
    return parts.map((part) => (typeof part === "string" ? part : asText(part, lookup))).join("");
  });
}

/**
 * The last step: `lookup` must know every reference, and the result is plain text.
 * @throws TemplateError naming the reference
 */
export function render(text: string, lookup: (reference: Reference) => string): string {
  return parseTemplate(text)
    .map((part) => (typeof part === "string" ? unescapeLiteral(part) : lookup(part)))
    .join("");
}

/** {@link render} for all strings of a value, keys included. */
export function renderAll(value: unknown, lookup: (reference: Reference) => string): unknown {
  return mapStrings(value, (text) => render(text, lookup));
}

function mapStrings(value: unknown, change: (text: string) => unknown): unknown {
  if (typeof value === "string") return change(value);
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((item, index) => within(index, () => mapStrings(item, change)));
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) =>
      within(key, () => [String(change(key)), mapStrings(item, change)] as const),
    ),
  );
}

/** Prepends a step to the path of an error that `work` throws. */
function within<T>(step: string | number, work: () => T): T {
  try {
    return work();
  } catch (thrown) {
    if (thrown instanceof TemplateError) thrown.path.unshift(step);
    throw thrown;
  }
}

function asText(reference: Reference, lookup: Lookup): string {
  const value = lookup(reference);
  if (value === undefined) return `\${${reference.text}}`;
  if (typeof value === "object") {
    throw new TemplateError(
      `${reference.text} is not a single value and cannot be part of a text`,
      reference.text,
    );
  }
  return String(value);
}
