/**
 * A task's `config` block as the Nomad client sends it to the driver: a map by the
 * driver's own schema, with null for attributes that the file leaves out.
 */

import { suggestion } from "../suggest.ts";
import { inside } from "./keys.ts";
import { unescapeLiteral } from "./resolve/template.ts";

/** The parts of an attribute's schema that a local run needs. */
export interface AttributeSpec {
  readonly name: string;
  /** Such as `list(string)` or `number`. */
  readonly type: string;
  readonly required: boolean;
  /** An HCL literal that is JSON, too. Applies if the file does not set the attribute. */
  readonly default?: string | undefined;
}

export class ConfigMismatch extends Error {
  override readonly name = "ConfigMismatch";
  /** Name of the attribute; empty for the block itself. */
  readonly attribute: string;

  constructor(attribute: string, message: string) {
    super(message);
    this.attribute = attribute;
  }
}

/** @throws ConfigMismatch for attributes that are unknown, missing or of the wrong type */
export function followSpec(
  config: Readonly<Record<string, unknown>>,
  spec: readonly AttributeSpec[],
): Record<string, unknown> {
  const names = spec.map(({ name }) => name);
  for (const name of Object.keys(config)) {
    if (!names.includes(name)) {
      throw new ConfigMismatch(name, `the driver has no such option. ${suggestion(name, names)}`);
    }
  }
  return Object.fromEntries(
    spec.map((attribute) => [attribute.name, configured(config[attribute.name], attribute)]),
  );
}

function configured(value: unknown, attribute: AttributeSpec): unknown {
  const { name, type, required, default: fallback } = attribute;
  if (value !== undefined && value !== null) return convert(value, type, name);
  if (required) throw new ConfigMismatch(name, "the driver requires it");
  return fallback === undefined ? null : JSON.parse(unescapeLiteral(fallback));
}

/** Converts a value to an HCL type. HCL converts between a string and the number or bool in it. */
function convert(value: unknown, type: string, name: string): unknown {
  const [, collection, element = ""] = /^(list|set|map)\((.+)\)$/.exec(type) ?? [];
  if (collection === undefined) return convertSingle(value, type, name);
  if (collection !== "map" && Array.isArray(value)) {
    return value.map((item, index) => convert(item, element, `${name}[${index}]`));
  }
  // A map may be written as a block. The parser returns a block as a list of one.
  const map: unknown = collection === "map" && Array.isArray(value) ? value[0] : value;
  if (collection !== "map" || typeof map !== "object" || map === null) {
    throw new ConfigMismatch(name, `it must be a ${collection}`);
  }
  return Object.fromEntries(
    Object.entries(map).map(([key, item]) => [key, convert(item, element, inside(name, key))]),
  );
}

function convertSingle(value: unknown, type: string, name: string): unknown {
  const text = String(value);
  const single = typeof value === "string" || typeof value === "number" || typeof value === "boolean";
  if (single && type === "string") return text;
  if (single && type === "number" && /^-?\d+(\.\d+)?$/.test(text)) return Number(text);
  if (single && type === "bool" && (text === "true" || text === "false")) return text === "true";
  throw new ConfigMismatch(name, `it must be a ${type}`);
}
