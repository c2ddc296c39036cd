/**
 * Evaluates HCL2's expressions and templates as Nomad does. The value of a name that the scope lacks is
 * the text `${name}`. The client, which knows the allocation, resolves this text. Pure.
 */
import { suggestion } from "../../../base/suggest.ts";
import { TemplateError } from "../templateError.ts";
import type { Names } from "./evaluator.ts";
import type { Functions } from "./functions/define.ts";
import type {
  Binary,
  Call,
  Conditional,
  Expression,
  ForExpression,
  Iteration,
  Splat,
  TemplatePart,
} from "./syntaxTree.ts";
import { parseTypeExpression, toType } from "./types.ts";
import {
  boolOf,
  entriesOf,
  isEqual,
  isList,
  itemOf,
  kindOf,
  mapOf,
  numberOf,
  textOf,
  type Value,
} from "./values.ts";

export interface Scope {
  readonly lookup: Names;
  readonly functions: Functions;
  /** The number of remaining loop iterations, for the whole evaluation. */
  readonly iterations: { left: number };
}

/** Nested loops must come to an end. Real job files need fewer iterations. */
export const maxIterations = 1_000_000;

/** @throws TemplateError that names the part of the expression that is wrong */
export function evaluate(expression: Expression, scope: Scope): Value {
  switch (expression.kind) {
    case "literal":
      return expression.value;
    case "template":
      return expression.parts.map((part) => partText(part, scope)).join("");
    case "variable":
    case "index":
      return traverse(expression, scope);
    case "splat":
      return splat(expression, scope);
    case "call":
      return call(expression, scope);
    case "list":
      return expression.items.map((item) => evaluate(item, scope));
    case "object":
      return mapOf(expression.items.map(([key, value]) => [asKey(key, scope), evaluate(value, scope)]));
    case "for":
      return forValue(expression, scope);
    case "conditional":
      return conditional(expression, scope);
    case "unary": {
      if (expression.operator === "!") return !asBool(expression.of, scope);
      return -asNumber(expression.of, scope);
    }
    case "binary":
      return binary(expression, scope);
  }
}

function partText(part: TemplatePart, scope: Scope): string {
  if (typeof part === "string") return part;
  if (part.kind === "ifDirective") {
    const section = asBool(part.condition, scope) ? part.then : part.else;
    return section.map((each) => partText(each, scope)).join("");
  }
  if (part.kind === "forDirective") {
    return iterate(part, scope)
      .flatMap((inner) => part.body.map((each) => partText(each, inner)))
      .join("");
  }
  const value = evaluate(part, scope);
  const text = textOf(value);
  if (text !== undefined) return text;
  throw new TemplateError(`${part.text} is ${kindOf(value)} and cannot be part of a string`, part.text);
}

/** The value of a reference, such as `var.list[0].name`. */
function traverse(expression: Expression, scope: Scope): Value {
  const steps: { readonly key: Value; readonly text: string }[] = [];
  let root = expression;
  while (root.kind === "index") {
    steps.unshift({ key: evaluate(root.key, scope), text: root.text });
    root = root.of;
  }
  let at = 0;
  let value: Value;
  if (root.kind === "variable") {
    const path = steps.map(({ key }) => (typeof key === "number" ? key : (textOf(key) ?? "")));
    const found = scope.lookup(root.name, path, expression.text);
    if (found === undefined) return `\${${referenceText(root.name, path, expression)}}`;
    ({ value, steps: at } = found);
  } else {
    value = evaluate(root, scope);
  }
  for (const { key, text } of steps.slice(at)) value = itemOf(value, key, text);
  return value;
}

/**
 * The source text of a reference. A key that is an expression, as in `env[var.name]`, is replaced by its
 * value.
 */
function referenceText(name: string, path: readonly (string | number)[], { text }: Expression): string {
  const isPlain = /^[\p{L}\p{N}_.-]+(?:\[\s*(?:\d+|"[^"\\$%]*")\s*\])*[\p{L}\p{N}_.-]*$/u.test(text);
  return isPlain ? text : name + path.map((step) => `[${JSON.stringify(step)}]`).join("");
}

/** Treats a single value as a list of one item, and null as an empty list. */
function splat({ of, each }: Splat, scope: Scope): Value {
  const value = evaluate(of, scope);
  const items = value === null ? [] : isList(value) ? value : [value];
  return items.map((item) =>
    each.reduce<Value>((inner, key) => itemOf(inner, evaluate(key, scope), of.text), item),
  );
}

function call({ name, parameters, expands, text }: Call & Expression, scope: Scope): Value {
  if (name === "try") return firstThatWorks(parameters, scope, text);
  if (name === "can") return parameters.every((each) => attempt(each, scope) !== undefined);
  if (name === "convert") return convert(parameters, scope, text);
  const { functions } = scope;
  const known = Object.hasOwn(functions, name) ? functions[name] : undefined;
  if (known === undefined) {
    const names = [...Object.keys(functions), "try", "can", "convert"];
    throw new TemplateError(`Nomad has no function ${name}. ${suggestion(name, names)}`, `${name}(`);
  }
  const values = parameters.map((each) => evaluate(each, scope));
  if (expands) {
    const last = values.pop() ?? null;
    if (!isList(last)) throw new TemplateError(`${name}: ... expands a list, not ${kindOf(last)}`, text);
    values.push(...last);
  }
  try {
    return known(values);
  } catch (thrown) {
    // An error with a text comes from an inner call, which is the call to report.
    if (!(thrown instanceof TemplateError) || thrown.text !== "") throw thrown;
    throw new TemplateError(`${name}: ${thrown.message}`, text, thrown.fault);
  }
}

function firstThatWorks(parameters: readonly Expression[], scope: Scope, text: string): Value {
  for (const each of parameters) {
    const result = attempt(each, scope);
    if (result !== undefined) return result.value;
  }
  throw new TemplateError("try: none of its expressions has a value", text);
}

function attempt(expression: Expression, scope: Scope): { readonly value: Value } | undefined {
  try {
    return { value: evaluate(expression, scope) };
  } catch (thrown) {
    if (thrown instanceof TemplateError) return undefined;
    throw thrown;
  }
}

function convert(parameters: readonly Expression[], scope: Scope, text: string): Value {
  const [value, type] = parameters;
  if (value === undefined || type === undefined || parameters.length > 2) {
    throw new TemplateError("convert: it takes a value and a type", text);
  }
  try {
    return toType(evaluate(value, scope), parseTypeExpression(type));
  } catch (thrown) {
    if (!(thrown instanceof TemplateError)) throw thrown;
    throw new TemplateError(`convert: ${thrown.message}`, text);
  }
}

/** The scopes of a loop: one for each iteration. */
function iterate({ keyName, valueName, collection }: Iteration, scope: Scope): Scope[] {
  const value = evaluate(collection, scope);
  const entries = entriesOf(value);
  if (entries === undefined) {
    throw new TemplateError(`for iterates over a list or a map, not over ${kindOf(value)}`, collection.text);
  }
  scope.iterations.left -= entries.length;
  if (scope.iterations.left < 0)
    throw new TemplateError(`the loops have more than ${maxIterations} iterations`, collection.text);
  return entries.map(([key, item]) =>
    withNames(scope, { ...(keyName !== undefined && { [keyName]: key }), [valueName]: item }),
  );
}

/** A scope with more names. They shadow equal names of the outer scope. */
function withNames(scope: Scope, names: Readonly<Record<string, Value>>): Scope {
  return {
    ...scope,
    lookup: (name, path, text) =>
      Object.hasOwn(names, name) ? { value: names[name] as Value, steps: 0 } : scope.lookup(name, path, text),
  };
}

function forValue(
  { key, value, condition, groups, text, ...iteration }: ForExpression & Expression,
  scope: Scope,
) {
  const scopes = iterate(iteration, scope).filter(
    (inner) => condition === undefined || asBool(condition, inner),
  );
  if (key === undefined) return scopes.map((inner) => evaluate(value, inner));
  const entries = scopes.map((inner) => [asKey(key, inner), evaluate(value, inner)] as const);
  if (groups) {
    const byKey = Map.groupBy(entries, ([name]) => name);
    return mapOf([...byKey].map(([name, group]) => [name, group.map(([, item]) => item)]));
  }
  const names = entries.map(([name]) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice === undefined) return mapOf(entries);
  throw new TemplateError(
    `the key ${twice} occurs twice: \`=> value...\` collects the values of a key`,
    text,
  );
}

function conditional({ condition, then, else: otherwise }: Conditional, scope: Scope): Value {
  return evaluate(asBool(condition, scope) ? then : otherwise, scope);
}

function binary({ operator, left, right }: Binary, scope: Scope): Value {
  switch (operator) {
    case "||":
      return asBool(left, scope) || asBool(right, scope);
    case "&&":
      return asBool(left, scope) && asBool(right, scope);
    case "==":
      return isEqual(evaluate(left, scope), evaluate(right, scope));
    case "!=":
      return !isEqual(evaluate(left, scope), evaluate(right, scope));
  }
  const a = asNumber(left, scope);
  const b = asNumber(right, scope);
  if ((operator === "/" || operator === "%") && b === 0) {
    throw new TemplateError("a division by zero", right.text);
  }
  return arithmetic[operator](a, b);
}

const arithmetic = {
  "<": (a: number, b: number) => a < b,
  "<=": (a: number, b: number) => a <= b,
  ">": (a: number, b: number) => a > b,
  ">=": (a: number, b: number) => a >= b,
  "+": (a: number, b: number) => a + b,
  "-": (a: number, b: number) => a - b,
  "*": (a: number, b: number) => a * b,
  "/": (a: number, b: number) => a / b,
  "%": (a: number, b: number) => a % b,
};

function asBool(expression: Expression, scope: Scope): boolean {
  return required(expression, scope, boolOf, "true or false");
}

function asNumber(expression: Expression, scope: Scope): number {
  return required(expression, scope, numberOf, "a number");
}

function asKey(expression: Expression, scope: Scope): string {
  return required(expression, scope, textOf, "a string, the key of a map");
}

function required<T>(
  expression: Expression,
  scope: Scope,
  read: (value: Value) => T | undefined,
  expected: string,
): T {
  const value = evaluate(expression, scope);
  const result = read(value);
  if (result !== undefined) return result;
  const { text } = expression;
  // A value that only the client knows is a string until the allocation exists.
  const hint = typeof value === "string" && value.startsWith("${") ? ", known only to a running task" : "";
  throw new TemplateError(`${text} must be ${expected}, but it is ${kindOf(value)}${hint}`, text);
}
