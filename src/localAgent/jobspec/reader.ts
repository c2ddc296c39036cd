/**
 * Reads the attributes of one body: unrolls dynamic blocks, checks keys, substitutes variables and locals,
 * checks types. Pure.
 */

import type { z } from "zod";
import { entriesOf, isList, kindOf, textOf, type Value } from "./expressions/values.ts";
import { attempt, evaluateAt, InvalidFile, type JobFile, type Problem, placeOf, report } from "./jobFile.ts";
import { type Level, supportedPart } from "./keys.ts";
import { substitute } from "./resolve/interpolate.ts";
import type { FileScope } from "./resolve/variables.ts";
import { asList, type Body } from "./syntax.ts";
import { TemplateError } from "./templateError.ts";

export interface JobReader {
  readonly file: JobFile;
  readonly scope: FileScope;
  /** The scopes of blocks that have a scope of their own. */
  readonly scopes: BlockScopes;
  /** Names of volumes that are skipped. */
  readonly skippedVolumes: Set<string>;
  /** Collects the names of all tasks, also of those that are not to run. */
  readonly names: Set<string>;
}

/**
 * Reads a body by the keys of its level and the schema of its attributes. The file collects the problems of
 * wrong attributes, which then count as absent.
 * @throws InvalidFile if the body cannot be read without a wrong attribute
 */
export function read<T extends z.ZodType>(
  { file, scope: outer, scopes }: JobReader,
  level: Level,
  place: string,
  block: Body,
  schema: T,
): { attributes: z.output<T>; blocks: Body } {
  const scope = scopes.get(block) ?? outer;
  const unrolled = evaluateAt(file, place, () => unrollDynamic(block, scope, scopes));
  const { attributes, blocks } = supportedPart(file, level, place, unrolled);
  const evaluate = (attribute: Body) =>
    substitute(attribute, scope.evaluate, (inner) => scopes.get(inner)?.evaluate) as Body;
  const { values, failed } = evaluated(file, place, attributes, scopes, evaluate);
  const result = schema.safeParse(values);
  if (result.success) return { attributes: result.data, blocks };
  const wrong = new Set<unknown>();
  for (const issue of result.error.issues) {
    const [key] = issue.path;
    wrong.add(key);
    // An attribute that could not be evaluated is absent, and its problem is reported already.
    if (!failed.has(key)) report(file, problemOf(issue, place));
  }
  const rest = schema.safeParse(
    Object.fromEntries(Object.entries(values).filter(([key]) => !wrong.has(key))),
  );
  if (!rest.success) throw new InvalidFile([]);
  return { attributes: rest.data, blocks };
}

/** The values of the attributes that can be evaluated. The file collects the problems of the others. */
function evaluated(
  file: JobFile,
  place: string,
  attributes: Body,
  scopes: BlockScopes,
  evaluate: (attribute: Body) => Body,
): { readonly values: Body; readonly failed: ReadonlySet<unknown> } {
  const values: Record<string, unknown> = {};
  const failed = new Set<unknown>();
  for (const [key, value] of Object.entries(attributes)) {
    const results: unknown[] = [];
    for (const part of partsOf(value, scopes)) {
      const one = attempt(file, () => evaluateAt(file, place, () => evaluate({ [key]: part })));
      if (one === undefined) failed.add(key);
      else results.push(one[key]);
    }
    if (results.length > 0) values[key] = mergedBlocks(results);
  }
  return { values: withoutNulls(values), failed };
}

/** Splits a block such as `config` into blocks of one attribute, which are evaluated independently. */
function partsOf(value: unknown, scopes: BlockScopes): unknown[] {
  const [block, second] = Array.isArray(value) ? value : [];
  if (second !== undefined || typeof block !== "object" || block === null || Array.isArray(block))
    return [value];
  const entries = Object.entries(block);
  const scope = scopes.get(block);
  const parts = entries.map(([key, item]) => ({ [key]: item }));
  if (scope !== undefined) for (const part of parts) scopes.set(part, scope);
  return parts.length === 0 ? [value] : parts.map((part) => [part]);
}

function mergedBlocks(parts: readonly unknown[]): unknown {
  return parts.length === 1 ? parts[0] : [Object.assign({}, ...(parts as object[][]).flat())];
}

/** An attribute that is null counts as absent. */
function withoutNulls(values: Body): Body {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== null));
}

function problemOf({ path, message }: z.core.$ZodIssue, place: string): Problem {
  const steps = path.map((step) => (typeof step === "symbol" ? String(step) : step));
  return { place: placeOf(place, steps), message, find: String(steps[0] ?? "") };
}

/** Scopes of unrolled blocks, and of everything inside them. */
type BlockScopes = WeakMap<object, FileScope>;

/**
 * Unrolls each `dynamic` block into one block per item of `for_each`. The block's iterator holds the item.
 * @throws TemplateError
 */
function unrollDynamic(block: Body, scope: FileScope, scopes: BlockScopes): Body {
  if (block.dynamic === undefined) return block;
  const { dynamic, ...plain } = block;
  const unrolled: Record<string, unknown> = plain;
  for (const labels of asList(dynamic)) {
    for (const [type, definitions] of Object.entries(labels as Body)) {
      const blocks = asList(definitions).flatMap((each) => unroll(type, each as Body, scope, scopes));
      unrolled[type] = [...asList(unrolled[type]), ...blocks];
    }
  }
  return unrolled;
}

function unroll(type: string, definition: Body, scope: FileScope, scopes: BlockScopes): object[] {
  const [content] = asList(definition.content);
  if (typeof content !== "object") throw new TemplateError(`dynamic "${type}" has no content block`, type);
  const items = substitute(definition.for_each ?? null, scope.evaluate) as Value;
  const entries = entriesOf(items);
  if (entries === undefined) {
    throw new TemplateError(
      `for_each of dynamic "${type}" must be a list or a map, not ${kindOf(items)}`,
      "for_each",
    );
  }
  const iterator = /^(?:\$\{\s*)?([^\s}]+)/.exec(String(definition.iterator ?? type))?.[1] ?? type;
  return entries.map(([key, value]) => {
    const inner = scope.with({ [iterator]: { key: isList(items) ? key : String(key), value } });
    const copy = structuredClone(content);
    setScope(copy, inner, scopes);
    const labels = substitute(definition.labels ?? [], inner.evaluate) as Value;
    if (!isList(labels)) throw new TemplateError(`labels of dynamic "${type}" must be a list`, "labels");
    return labels.reduceRight<object>((body, label) => ({ [textOf(label) ?? ""]: [body] }), copy);
  });
}

function setScope(value: unknown, scope: FileScope, scopes: BlockScopes): void {
  if (typeof value !== "object" || value === null) return;
  scopes.set(value, scope);
  for (const inner of Object.values(value)) setScope(inner, scope, scopes);
}
