/**
 * Nomad's hclspec: with it a plugin declares its options, and the client decodes
 * and checks them before it sends them. The hclspec is derived from the zod schemas
 * of the options; the gRPC layer only converts it to its message.
 */
import { z } from "zod";
import { DriverError } from "../../errors.ts";

/** The kinds of hclspec that this driver's options use. */
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
 * The hclspec of an options schema. Each key becomes an attribute, `.default()` its
 * default. A key with neither `.default()` nor `.optional()` is required.
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
  const primary = specOfField(name, field.unwrap(), false);
  const literal = hclLiteral(field.def.defaultValue);
  return literal === undefined ? primary : { kind: "default", primary, literal };
}

function hclType(name: string, field: unknown): string {
  if (field instanceof z.ZodBoolean) return "bool";
  if (field instanceof z.ZodString) return "string";
  if (field instanceof z.ZodNumber) return "number";
  if (field instanceof z.ZodEnum) return "string";
  if (field instanceof z.ZodRecord) return `map(${hclType(name, field.valueType)})`;
  if (field instanceof z.ZodArray) return `list(${hclType(name, field.element)})`;
  throw new DriverError("UNSUPPORTED", `The option ${name} has a type that hclspec cannot express`);
}

/**
 * Undefined for a list, which has no default in the hclspec: an absent list arrives
 * as nil, and the schema replaces it with the default.
 */
function hclLiteral(value: unknown): string | undefined {
  if (Array.isArray(value)) return undefined;
  if (typeof value !== "string") return String(value);
  // In an HCL string `${` and `%{` begin a template. `$${` and `%%{` escape them.
  return JSON.stringify(value).replace(/[$%](?=\{)/g, "$&$&");
}
