/** Makes a table of options from their schemas, for the documentation. Pure. */
import { z } from "zod";
import { hclName } from "../../src/config/options/hclOptions.ts";

interface OptionText {
  /** The option's name in jobs and client configurations. */
  readonly name: string;
  readonly type: string;
  readonly default: string;
  readonly description: string;
  /** An example of a value. */
  readonly example: unknown;
}

/** @throws Error naming an option without a description or an example */
function optionTexts(schema: z.ZodObject): OptionText[] {
  return Object.entries(schema.shape).map(([key, field]) => {
    const name = hclName(key);
    const { description, example } = metaOf(field);
    if (description === undefined || example === undefined) {
      throw new Error(`the schema of ${name} has no description or no example in its meta`);
    }
    return { name, type: typeOf(field), default: defaultOf(field), description, example };
  });
}

/** A table in Markdown. */
export function optionTable(schema: z.ZodObject): string {
  const rows = optionTexts(schema).map(({ name, type, default: preset, description, example }) => [
    `\`${name}\``,
    type,
    preset,
    description,
    `\`${assignment(name, example)}\``,
  ]);
  const header = [["option", "type", "default", "meaning", "example"], Array(5).fill("---")];
  return [...header, ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/** An option in HCL: `nice = 10`, `ulimit { core = "0" }`. */
function assignment(name: string, value: unknown): string {
  const [block] = Array.isArray(value) ? value : [];
  if (typeof block !== "object") return `${name} = ${literal(value)}`;
  const entries = Object.entries(block).map(([key, each]) => `${key} = ${literal(each)}`);
  return `${name} { ${entries.join("; ")} }`;
}

function literal(value: unknown): string {
  return Array.isArray(value) ? `[${value.map(literal).join(", ")}]` : JSON.stringify(value);
}

/** The `meta` of the option itself takes precedence over that of its type inside. */
function metaOf(field: unknown): { description?: string | undefined; example?: unknown } {
  if (!(field instanceof z.ZodType)) return {};
  const inner = field instanceof z.ZodDefault || field instanceof z.ZodOptional ? metaOf(field.unwrap()) : {};
  return { ...inner, ...field.meta() };
}

function typeOf(field: unknown): string {
  if (field instanceof z.ZodDefault || field instanceof z.ZodOptional) return typeOf(field.unwrap());
  if (field instanceof z.ZodBoolean) return "bool";
  if (field instanceof z.ZodNumber) return "number";
  if (field instanceof z.ZodEnum) return field.options.map((value) => `\`"${value}"\``).join(" or ");
  if (!(field instanceof z.ZodArray)) return "string";
  if (field.element instanceof z.ZodRecord) return "block";
  return field.element instanceof z.ZodNumber ? "list of numbers" : "list of strings";
}

function defaultOf(field: unknown): string {
  if (field instanceof z.ZodOptional) return "";
  if (!(field instanceof z.ZodDefault)) return "required";
  const value = field.def.defaultValue;
  return typeOf(field) === "block" ? "" : `\`${literal(value)}\``;
}
