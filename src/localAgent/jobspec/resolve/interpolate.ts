/**
 * Replaces references with values: first with the values in the file, later with the allocation's values.
 * Pure.
 */
import { TemplateError } from "../templateError.ts";
import { parseTemplate, type Reference, unescapeLiteral } from "./template.ts";

/** Evaluates template text. A string result is template text again. */
export type EvaluateText = (text: string) => unknown;

/**
 * Replaces references in a text with their values. The result is still template text. If the text is a single
 * reference, the result is its value, of any type.
 * @param lookup returns undefined for a reference that a later step resolves
 * @throws TemplateError if the text cannot be parsed, if it has expressions other than references, or if
 *   `lookup` throws one
 */
export function replaceReferences(text: string, lookup: (reference: Reference) => unknown): unknown {
  const parts = parseTemplate(text);
  const [only] = parts;
  if (parts.length === 1 && typeof only === "object") {
    const found = lookup(only);
    return found === undefined ? text : found;
  }
  return parts.map((part) => (typeof part === "string" ? part : asText(part, lookup))).join("");
}

/**
 * Replaces references in the last step: `lookup` must know every reference, and the result is plain text.
 * @throws TemplateError naming the reference
 */
export function render(text: string, lookup: (reference: Reference) => string): string {
  return parseTemplate(text)
    .map((part) => (typeof part === "string" ? unescapeLiteral(part) : lookup(part)))
    .join("");
}

/**
 * The text of a `template` block, as Go's template language has it. A `${…}` that the file does not define is literal
 * text, such as a shell variable.
 * @throws TemplateError if the text cannot be parsed
 */
export function templateText({ data }: { readonly data: string }): string {
  return render(data, ({ text }) => `\${${text}}`);
}

/** Replaces all texts of a value, including keys. @param steps leads from the value to the text */
export function mapTexts(
  value: unknown,
  replace: (text: string, steps: readonly (string | number)[]) => string,
  steps: readonly (string | number)[] = [],
): unknown {
  if (typeof value === "string") return replace(value, steps);
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((item, index) => mapTexts(item, replace, [...steps, index]));
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => {
      const inner = [...steps, key];
      return [replace(key, inner), mapTexts(item, replace, inner)];
    }),
  );
}

/** Renders all strings of a value, including keys: {@link render}. */
export function renderAll(value: unknown, lookup: (reference: Reference) => string): unknown {
  return substitute(value, (text) => render(text, lookup));
}

/**
 * Evaluates all strings of a value, including keys.
 * @param evaluateIn returns the evaluation for the contents of an object; undefined keeps the outer
 *   evaluation
 * @throws TemplateError with the path of the string
 */
export function substitute(
  value: unknown,
  evaluate: EvaluateText,
  evaluateIn?: (inner: object) => EvaluateText | undefined,
): unknown {
  if (typeof value === "string") return evaluate(value);
  if (typeof value !== "object" || value === null) return value;
  const own = evaluateIn?.(value) ?? evaluate;
  if (Array.isArray(value)) {
    return value.map((item, index) => within(index, () => substitute(item, own, evaluateIn)));
  }
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) =>
      within(key, () => [String(own(key)), substitute(item, own, evaluateIn)] as const),
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

function asText(reference: Reference, lookup: (reference: Reference) => unknown): string {
  const value = lookup(reference);
  if (value === undefined) return `\${${reference.text}}`;
  if (typeof value === "object") {
    throw new TemplateError(
      `${reference.text} is not a single value and cannot be part of a string`,
      reference.text,
    );
  }
  return String(value);
}
