/** Type constraints of variables: `string`, `list(number)`, `object({ name = string })`, … Pure. */
import { suggestion } from "../../../base/suggest.ts";
import { TemplateError } from "../templateError.ts";
import type { Expression } from "./syntaxTree.ts";
import {
  boolOf,
  byText,
  distinct,
  entriesOf,
  isList,
  isMap,
  kindOf,
  mapOf,
  numberOf,
  textOf,
  type Value,
} from "./values.ts";

export type Type =
  | { readonly kind: "any" | "string" | "number" | "bool" }
  | { readonly kind: "list" | "set" | "map"; readonly of: Type }
  | { readonly kind: "tuple"; readonly items: readonly Type[] }
  | { readonly kind: "object"; readonly attributes: ReadonlyMap<string, Type> };

const primitives = ["any", "string", "number", "bool"] as const;
const collections = ["list", "set", "map"] as const;

/** @throws TemplateError */
export function parseTypeExpression(expression: Expression): Type {
  const { text } = expression;
  if (expression.kind === "variable") {
    const primitive = primitives.find((each) => each === expression.name);
    if (primitive !== undefined) return { kind: primitive };
    // A collection without a type for its items takes items of any type.
    const collection = collections.find((each) => each === expression.name);
    if (collection !== undefined) return { kind: collection, of: { kind: "any" } };
  }
  if (expression.kind === "call" && expression.parameters.length === 1) {
    const [parameter] = expression.parameters as [Expression];
    const collection = collections.find((each) => each === expression.name);
    if (collection !== undefined) return { kind: collection, of: parseTypeExpression(parameter) };
    if (expression.name === "tuple" && parameter.kind === "list") {
      return { kind: "tuple", items: parameter.items.map(parseTypeExpression) };
    }
    if (expression.name === "object" && parameter.kind === "object") {
      const attributes = parameter.items.map(
        ([key, value]) =>
          [key.kind === "literal" ? String(key.value) : key.text, parseTypeExpression(value)] as const,
      );
      return { kind: "object", attributes: new Map(attributes) };
    }
  }
  throw new TemplateError(`there is no type ${text}. ${suggestion(text, typeNames)}`, text);
}

const typeNames = [
  ...primitives,
  ...collections.map((name) => `${name}(string)`),
  "tuple([…])",
  "object({…})",
];

export function typeText(type: Type): string {
  if ("of" in type) return `${type.kind}(${typeText(type.of)})`;
  if ("items" in type) return `tuple([${type.items.map(typeText).join(", ")}])`;
  if (!("attributes" in type)) return type.kind;
  return `object({${[...type.attributes].map(([name, of]) => `${name} = ${typeText(of)}`).join(", ")}})`;
}

/**
 * Converts as HCL does: a string to the number or bool that it holds, a number or bool to a string, and each
 * item of a collection.
 * @throws TemplateError naming the place within the value
 */
export function toType(value: Value, type: Type, place = "it"): Value {
  // Null is a value of every type.
  if (value === null || type.kind === "any") return value;
  const converted = convert(value, type, place);
  if (converted !== undefined) return converted;
  throw new TemplateError(`${place} must be of the type ${typeText(type)}, but it is ${kindOf(value)}`, "");
}

function convert(value: Value, type: Type, place: string): Value | undefined {
  if (type.kind === "string") return textOf(value);
  if (type.kind === "number") return numberOf(value);
  if (type.kind === "bool") return boolOf(value);
  if (type.kind === "list" || type.kind === "set") {
    if (!isList(value)) return undefined;
    const items = value.map((item, index) => toType(item, type.of, `${place}[${index}]`));
    return type.kind === "set" ? setOf(items) : items;
  }
  if (type.kind === "tuple") {
    if (!isList(value) || value.length !== type.items.length) return undefined;
    return value.map((item, index) =>
      toType(item, type.items[index] ?? { kind: "any" }, `${place}[${index}]`),
    );
  }
  if (!isMap(value)) return undefined;
  if (type.kind === "map") {
    return mapOf(Object.entries(value).map(([key, item]) => [key, toType(item, type.of, `${place}.${key}`)]));
  }
  if (type.kind !== "object") return undefined;
  return mapOf(
    [...type.attributes].map(([name, of]) => {
      if (!Object.hasOwn(value, name)) throw new TemplateError(`${place} lacks the attribute ${name}`, "");
      return [name, toType(value[name] as Value, of, `${place}.${name}`)];
    }),
  );
}

/** The values of a set: each once, and sorted, so that equal sets have the same order. */
export function setOf(values: readonly Value[]): Value[] {
  return distinct(values).sort((a, b) => {
    if (typeof a === "number" && typeof b === "number") return a - b;
    return byText(textOf(a) ?? JSON.stringify(entriesOf(a)), textOf(b) ?? JSON.stringify(entriesOf(b)));
  });
}
