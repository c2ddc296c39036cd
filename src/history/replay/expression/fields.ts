/** The fields that a path of an expression can name, from the schemas of events and of a task's options. Pure. */
import type { z } from "zod";
import { hclName } from "../../../effects/options/hclOptions.ts";
import { taskSchema } from "../../../effects/parts.ts";
import { eventCatalogue } from "../../../machines/events.ts";
import { contextSchema } from "../../../machines/taskContext.ts";

/** The content of a value: fields by name, entries of a list by number, both, or neither. */
export interface Fields {
  readonly named: ReadonlyMap<string, Fields>;
  /** The content of each entry of a list or map; undefined for other values. */
  readonly entry: Fields | undefined;
  /** Whether the value has a length, as texts and lists do. */
  readonly measured: boolean;
}

const nothing: Fields = { named: new Map(), entry: undefined, measured: false };
/** Text has a length, but no fields. */
const text: Fields = { ...nothing, measured: true };

/** The fields of the values that a schema describes. */
function fieldsOf(schema: z.ZodType): Fields {
  const { def } = schema as z.ZodType & { readonly def: Definition };
  switch (def.type) {
    case "object":
      return { ...nothing, named: mapped(def.shape ?? {}) };
    case "array":
      return { ...nothing, entry: def.element && fieldsOf(def.element), measured: true };
    case "record":
      return { ...nothing, entry: def.valueType && fieldsOf(def.valueType) };
    case "union":
      return (def.options ?? []).map(fieldsOf).reduce(merged, nothing);
    case "string":
    case "enum":
      return text;
    default:
      return def.innerType ? fieldsOf(def.innerType) : nothing;
  }
}

/** The parts of zod's definitions that this module reads. */
interface Definition {
  readonly type: string;
  readonly shape?: Readonly<Record<string, z.ZodType>>;
  readonly element?: z.ZodType;
  readonly valueType?: z.ZodType;
  readonly innerType?: z.ZodType;
  readonly options?: readonly z.ZodType[];
}

function mapped(shape: Readonly<Record<string, z.ZodType>>): Map<string, Fields> {
  return new Map(Object.entries(shape).map(([name, schema]) => [name, fieldsOf(schema)]));
}

/** A field with content. */
function inside(name: string, ...content: readonly Fields[]): Fields {
  return { ...nothing, named: new Map([[name, content.reduce(merged, nothing)]]) };
}

function merged(a: Fields, b: Fields): Fields {
  const named = new Map(a.named);
  for (const [name, fields] of b.named) {
    const known = named.get(name);
    named.set(name, known ? merged(known, fields) : fields);
  }
  const entry = a.entry && b.entry ? merged(a.entry, b.entry) : (a.entry ?? b.entry);
  return { named, entry, measured: a.measured || b.measured };
}

/** A task's options by their names in job files. The schemas of events name only those that every task has. */
const options = inside(
  "options",
  ...Object.entries(taskSchema().shape).map(([key, schema]) => inside(hclName(key), fieldsOf(schema))),
);

/** The state, and the fields of the machine's context. */
const context = [inside("state", text), inside("request", options), fieldsOf(contextSchema)].reduce(merged);

/** The data of an event of any type. */
const data = Object.values(eventCatalogue)
  .map(({ schema }) => fieldsOf(schema))
  .reduce(merged, options);

/** The fields with which a path can begin: the fields of the machine's context, and of the event. */
const momentFields: Fields = {
  ...nothing,
  named: new Map([
    ...context.named,
    ["before", context],
    ["data", data],
    ["effects", { ...nothing, entry: text, measured: true }],
    ...["from", "type"].map((name): [string, Fields] => [name, text]),
    ...["seq", "time", "since", "error", "refused"].map((name): [string, Fields] => [name, nothing]),
  ]),
};

/** The fields that can follow a path; undefined if there is no such path. */
export function fieldsAt(names: readonly string[], fields: Fields = momentFields): Fields | undefined {
  const [first, ...rest] = names;
  if (first === undefined) return fields;
  const next = fields.named.get(first) ?? unnamed(first, fields);
  return next && fieldsAt(rest, next);
}

/**
 * The field for a name that is none of the known fields: the length, an entry of a list by number, or an
 * entry of a map.
 */
function unnamed(name: string, { measured, entry }: Fields): Fields | undefined {
  if (!measured) return entry;
  if (name === "length") return nothing;
  return /^\d+$/.test(name) ? entry : undefined;
}
