/**
 * A task's `config` block as the Nomad client sends it to the driver: a map with all attributes of the
 * driver's schema, and null for those that the file leaves out. Pure.
 */

import { nearest, suggestion } from "../../../base/suggest.ts";
import { inside } from "../jobFile.ts";
import { adviceOnOption } from "../otherDrivers.ts";
import { unescapeLiteral } from "./template.ts";

/** The parts of an attribute's schema that a local run needs. */
export interface AttributeSpec {
  readonly name: string;
  /** Such as `list(string)` or `number`. */
  readonly type: string;
  readonly required: boolean;
  /** An HCL literal that is also valid JSON. Applies if the file does not set the attribute. */
  readonly default?: string | undefined;
}

/** An attribute that is unknown, missing or of the wrong type. */
export interface Mismatch {
  /** The attribute's name, with the place in its value, such as `args[1]`. */
  readonly attribute: string;
  readonly message: string;
  readonly hint?: string | undefined;
}

export interface FittedConfig {
  /** Every attribute of the schema; null for those that are not set, or whose values do not fit. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly mismatches: readonly Mismatch[];
}

/** Fits the values of a file to a schema. */
export function followSpec(
  config: Readonly<Record<string, unknown>>,
  spec: readonly AttributeSpec[],
): FittedConfig {
  const names = spec.map(({ name }) => name);
  const unknown = Object.keys(config).filter((name) => !names.includes(name));
  const mismatches: Mismatch[] = unknown.map((name) => ({
    attribute: name,
    message: `the driver has no such option. ${suggestion(name, names)}`,
    hint: adviceOnOption(name),
  }));
  const meant = new Set(unknown.map((name) => nearest(name, names)));
  const values = spec.map((attribute) => {
    // If a misspelt name probably means this option, the option is not also reported as missing.
    if (meant.has(attribute.name)) return [attribute.name, null];
    try {
      return [attribute.name, configured(config[attribute.name], attribute)];
    } catch (thrown) {
      if (!(thrown instanceof Misfit)) throw thrown;
      mismatches.push(thrown);
      return [attribute.name, null];
    }
  });
  return { config: Object.fromEntries(values), mismatches };
}

class Misfit extends Error implements Mismatch {
  override readonly name = "Misfit";
  readonly attribute: string;

  constructor(attribute: string, message: string) {
    super(message);
    this.attribute = attribute;
  }
}

function configured(value: unknown, attribute: AttributeSpec): unknown {
  const { name, type, required, default: fallback } = attribute;
  if (value !== undefined && value !== null) return convert(value, type, name);
  if (required) throw new Misfit(name, "the driver requires it");
  return fallback === undefined ? null : JSON.parse(unescapeLiteral(fallback));
}

/** Converts a value to an HCL type. HCL converts between a string and the number or bool that it contains. */
function convert(value: unknown, type: string, name: string): unknown {
  const [, collection, element = ""] = /^(list|set|map)\((.+)\)$/.exec(type) ?? [];
  if (collection === undefined) return convertSingle(value, type, name);
  if (collection !== "map" && Array.isArray(value)) {
    return value.map((item, index) => convert(item, element, `${name}[${index}]`));
  }
  // A map may be written as a block. The parser returns a block as a list of one.
  const map: unknown = collection === "map" && Array.isArray(value) ? value[0] : value;
  if (collection !== "map" || typeof map !== "object" || map === null) {
    throw new Misfit(name, `it must be a ${collection}`);
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
  throw new Misfit(name, `it must be a ${type}`);
}
