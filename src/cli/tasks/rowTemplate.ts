/** Prints rows by a template of Go's text/template, as `docker ps --format` does. Pure. */
import { DriverError } from "../../base/errors.ts";
import { suggestion } from "../../base/suggest.ts";
import { noPatterns } from "../../localAgent/jobspec/expressions/functions/patterns.ts";
import { openGoTemplate } from "../../localAgent/jobspec/goTemplate/evaluate.ts";
import { type GoValue, isMap, ofJson } from "../../localAgent/jobspec/goTemplate/values.ts";
import { TemplateError } from "../../localAgent/jobspec/templateError.ts";

/**
 * A template over the fields that `--json` prints: `{{.task}}\t{{.state}}`. Unknown values are empty texts.
 * @returns prints a row
 * @throws DriverError `EXPRESSION_INVALID`, now or for a row
 */
export function rowTemplate(source: string): (row: object) => string {
  return guarded(() => {
    // As docker's: a shell passes these on as they are.
    const text = source.replaceAll("\\t", "\t").replaceAll("\\n", "\n");
    const facts = { env: {}, now: 0, patterns: noPatterns, servers: {} };
    const template = openGoTemplate(text, { left: "{{", right: "}}" }, facts);
    for (const problem of template.problems) throw problem;
    return (row) => guarded(() => template.render(fieldsOf(row)));
  });
}

function guarded<T>(work: () => T): T {
  try {
    return work();
  } catch (thrown) {
    if (!(thrown instanceof TemplateError)) throw thrown;
    throw new DriverError("EXPRESSION_INVALID", `the format cannot be used: ${thrown.message}`, {
      hint: "It is a template of Go's, over the fields that --json prints: '{{.task}} {{.state}}'",
    });
  }
}

function fieldsOf(row: object): GoValue {
  return withoutNull(ofJson(row));
}

/** Whole numbers are printed with all their digits. Percentages are none, whatever they are at the moment. */
function withoutNull(value: GoValue, name = ""): GoValue {
  if (value === null) return "";
  if (typeof value === "number" && Number.isSafeInteger(value) && !name.endsWith("Percent"))
    return BigInt(value);
  if (!isMap(value)) return value;
  return new Fields([...value].map(([field, each]) => [field, withoutNull(each, field)]));
}

/** A field that does not exist is a mistake, and no empty text. */
class Fields extends Map<string, GoValue> {
  override get(name: string): GoValue {
    const value = super.get(name);
    if (value !== undefined) return value;
    throw new TemplateError(`there is no field ${name}. ${suggestion(name, [...this.keys()])}`, name);
  }
}
