/** Renders a `template` block. */

import { renderGoTemplate } from "../goTemplate/evaluate.ts";
import { type TemplateFacts, templateFunctions } from "../goTemplate/functions.ts";
import { parseGoTemplate } from "../goTemplate/parser.ts";
import type { Template } from "../job.ts";
import { TemplateError } from "../templateError.ts";
import { render } from "./interpolate.ts";

/** @throws TemplateError that names the template's line, also for functions that need a server */
export function renderData(template: Template, facts: TemplateFacts): string {
  const { leftDelimiter: left, rightDelimiter: right } = template;
  // A `${…}` that the file does not define is literal text, such as a shell variable.
  const data = render(template.data, ({ text }) => `\${${text}}`);
  if (!data.includes(left)) return data;
  return renderGoTemplate(parseGoTemplate(data, { left, right }), templateFunctions(facts));
}

/**
 * Parses the `KEY=value` lines of a template with `env = true`. Skips blank lines
 * and comments; strips `export` and a pair of quotes.
 * @throws TemplateError naming the line, not its content
 */
export function parseEnvFile(text: string): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const [index, line] of text.split("\n").entries()) {
    const trimmed = line.trim();
    if (trimmed === "" || trimmed.startsWith("#")) continue;
    const [, name, value = ""] = /^(?:export\s+)?([A-Za-z_][\w.-]*)\s*=\s*(.*)$/.exec(trimmed) ?? [];
    if (name === undefined) throw new TemplateError(`line ${index + 1} is not of the form KEY=value`, "");
    variables[name] = unquote(value);
  }
  return variables;
}

function unquote(value: string): string {
  const [, single, double] = /^'([^']*)'$|^"((?:[^"\\]|\\.)*)"$/.exec(value) ?? [];
  if (single !== undefined) return single;
  if (double === undefined) return value;
  return double.replaceAll(/\\(.)/g, (_, character: string) => (character === "n" ? "\n" : character));
}
