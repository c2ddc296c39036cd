/** Unrolls `dynamic` blocks: one block for each item of `for_each`, with the item in its iterator. */
import { asList, type Body } from "../body.ts";
import { entriesOf, isList, kindOf, textOf, type Value } from "../expressions/values.ts";
import { TemplateError } from "../templateError.ts";
import { substitute } from "./interpolate.ts";
import type { FileScope } from "./variables.ts";

/** Scopes of unrolled blocks, and of everything inside them. */
export type BlockScopes = WeakMap<object, FileScope>;

/** @throws TemplateError */
export function unrollDynamic(block: Body, scope: FileScope, scopes: BlockScopes): Body {
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
