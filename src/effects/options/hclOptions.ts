/**
 * Options in HCL, derived from their zod schemas: their names, the hclspec that declares them to a Nomad
 * client, and the decoding of the map that the client sends. Pure.
 */
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { DriverError } from "../../base/errors.ts";
import type { OptionProblem } from "./optionProblem.ts";

/**
 * The kinds of hclspec that this driver's options use. With an hclspec, a client decodes and checks options
 * before it sends them.
 */
export type HclSpec =
  | { readonly kind: "object"; readonly attributes: Readonly<Record<string, HclSpec>> }
  | { readonly kind: "attr"; readonly name: string; readonly type: string; readonly required: boolean }
  | {
      readonly kind: "default";
      readonly primary: HclSpec;
      /** An HCL expression, such as `true` or `"/var/lib"`. */
      readonly literal: string;
    };

/** The HCL name of an option: `stateDir` is `state_dir`. */
export function hclName(key: string): string {
  return key.replace(/[A-Z]/g, (capital) => `_${capital.toLowerCase()}`);
}

/**
 * The hclspec of an options schema. Each key becomes an attribute, and `.default()` becomes its default. A
 * key with neither `.default()` nor `.optional()` is required.
 */
export function hclSpecOf(schema: z.ZodObject): HclSpec {
  const attributes = Object.entries(schema.shape).map(([key, field]) => {
    const name = hclName(key);
    return [name, specOfField(name, field, true)] as const;
  });
  return { kind: "object", attributes: Object.fromEntries(attributes) };
}

function specOfField(name: string, field: unknown, required: boolean): HclSpec {
  if (field instanceof z.ZodOptional) return specOfField(name, field.unwrap(), false);
  if (!(field instanceof z.ZodDefault)) return { kind: "attr", name, type: hclType(name, field), required };
  const primary = { kind: "attr", name, type: hclType(name, field.unwrap()), required: false } as const;
  const literal = hclLiteral(primary.type, field.def.defaultValue);
  return literal === undefined ? primary : { kind: "default", primary, literal };
}

function hclType(name: string, field: unknown): string {
  if (field instanceof z.ZodBoolean) return "bool";
  if (field instanceof z.ZodString) return "string";
  if (field instanceof z.ZodNumber) return "number";
  if (field instanceof z.ZodEnum) return "string";
  // A size: HCL converts a number to a string, but no string with a unit to a number.
  if (field instanceof z.ZodPipe) return "string";
  if (field instanceof z.ZodRecord) return `map(${hclType(name, field.valueType)})`;
  if (field instanceof z.ZodArray) return `list(${hclType(name, field.element)})`;
  throw new DriverError("UNSUPPORTED", `The option ${name} has a type that hclspec cannot express`);
}

/**
 * Undefined for a list, which has no default in the hclspec. An absent list arrives as nil, and the schema
 * replaces nil with the default.
 */
function hclLiteral(type: string, value: unknown): string | undefined {
  if (Array.isArray(value)) return undefined;
  if (type !== "string") return String(value);
  // In an HCL string `${` and `%{` begin a template. `$${` and `%%{` escape them.
  return JSON.stringify(String(value)).replace(/[$%](?=\{)/g, "$&$&");
}

/** The options whose values differ from their defaults, by their names in HCL. */
export function changedOptions<Options extends object>(
  options: Options,
  defaults: Options,
): Record<string, NonNullable<unknown>> {
  const values = Object.entries(options).filter(
    ([key, value]) =>
      value !== undefined && value !== null && !isDeepStrictEqual(value, defaults[key as keyof Options]),
  );
  return Object.fromEntries(values.map(([key, value]) => [hclName(key), value]));
}

/** The error for invalid options. Names every problem. */
export class InvalidOptions extends DriverError {
  readonly problems: readonly NamedProblem[];

  /** @param problems at least one */
  constructor(owner: "plugin" | "task", problems: readonly NamedProblem[]) {
    const texts = problems.map(({ option, message }) => `option "${option}" ${message}`);
    super("CONFIG_INVALID", `The ${owner}'s config is invalid: ${texts.join("; ")}`, {
      option: problems[0]?.option,
      hint: problems.find(({ hint }) => hint !== undefined)?.hint,
    });
    this.problems = problems;
  }
}

/** A problem with an option. `option` is the option's HCL name. */
export type NamedProblem = Pick<OptionProblem, "message"> & {
  readonly option: string;
  readonly hint?: string | undefined;
};

/**
 * Checks decoded options against their schema, whose keys are the options' names in camel case.
 * @param owner whose options these are, for the error
 * @param raw a plain object keyed by the options' HCL names; an option that is null or missing is not set
 * @throws InvalidOptions that names every wrong option, and the wrong entry of a list
 * @throws DriverError `CONFIG_INVALID` for unknown options
 */
export function decodeOptions<Schema extends z.ZodObject>(
  owner: "plugin" | "task",
  schema: Schema,
  raw: unknown,
): z.output<Schema> {
  const input = isMap(raw) ? raw : {};
  if (input !== raw && raw !== null && raw !== undefined) {
    throw new DriverError("CONFIG_INVALID", `The ${owner}'s config must be a map of options`);
  }
  const names = optionNames(schema);
  const unknown = Object.keys(input).filter((name) => !names.has(name));
  if (unknown.length > 0) {
    throw new DriverError("CONFIG_INVALID", `The ${owner}'s config has the unknown ${options(unknown)}`, {
      option: unknown[0],
      hint: `It may have ${[...names.keys()].join(", ")}`,
    });
  }
  const values = [...names].map(([name, key]) => [key, normalize(input[name])]);
  const result = schema.safeParse(Object.fromEntries(values.filter(([, value]) => value !== undefined)));
  if (result.success) return result.data;
  throw new InvalidOptions(owner, result.error.issues.map(problemOf));
}

/** The keys of a schema, by the options' names in HCL. */
function optionNames(schema: z.ZodObject): ReadonlyMap<string, string> {
  const known = namesOfSchemas.get(schema);
  if (known !== undefined) return known;
  const names = new Map(Object.keys(schema.shape).map((key) => [hclName(key), key]));
  namesOfSchemas.set(schema, names);
  return names;
}

const namesOfSchemas = new WeakMap<z.ZodObject, ReadonlyMap<string, string>>();

function isMap(raw: unknown): raw is Readonly<Record<string, unknown>> {
  return typeof raw === "object" && raw !== null && !Array.isArray(raw);
}

/** MessagePack has nil for an option that is not set, and may have bigints for whole numbers. */
function normalize(value: unknown): unknown {
  if (typeof value === "bigint") return Number(value);
  return value === null ? undefined : value;
}

function problemOf(issue: z.core.$ZodIssue): NamedProblem {
  const [key, index] = issue.path;
  const entry = typeof index === "number" ? `entry ${index + 1} ` : "";
  const hint = issue.code === "custom" ? issue.params?.hint : undefined;
  return { option: hclName(String(key)), message: `${entry}${issue.message}`, hint };
}

function options(names: readonly string[]): string {
  return `option${names.length === 1 ? "" : "s"} ${names.map((name) => JSON.stringify(name)).join(", ")}`;
}
