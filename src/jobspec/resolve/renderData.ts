/** Renders a `template` block: literal text except for `{{ env "NAME" }}`. */

import type { Template } from "../job.ts";
import { render } from "./interpolate.ts";
import { TemplateError } from "./template.ts";

/**
 * @param env the task's environment
 * @throws TemplateError for other template functions, or a variable that is not set
 */
export function renderData(template: Template, env: Readonly<Record<string, string>>): string {
  const { leftDelimiter: left, rightDelimiter: right } = template;
  // A `${…}` that the file does not define is literal text, such as a shell variable.
  const data = render(template.data, ({ text }) => `\${${text}}`);
  const [literal = "", ...rest] = data.split(left);
  return literal + rest.map((part) => renderAction(part, left, right, env)).join("");
}

/** @param part the text after a left delimiter: an action, and the literal that follows it */
function renderAction(
  part: string,
  left: string,
  right: string,
  env: Readonly<Record<string, string>>,
): string {
  const end = part.indexOf(right);
  if (end < 0) throw new TemplateError(`${left} without ${right}`, part.slice(0, 20));
  const action = part.slice(0, end).trim();
  const name = /^env\s+["`]([^"`]+)["`]$/.exec(action)?.[1];
  if (name === undefined) {
    const message = `a local run knows only ${left} env "NAME" ${right} in templates, not ${left} ${action} ${right}`;
    throw new TemplateError(message, action);
  }
  return (Object.hasOwn(env, name) ? env[name] : "") + part.slice(end + right.length);
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
