/** Chooses the evaluator of a job file: most files have references only, and need no HCL2. */
import { parseJsonOrNothing } from "../../json.ts";
import type { Body } from "../body.ts";
import type { Evaluator, Found } from "../expressions/evaluator.ts";
import type { HostAccess } from "../expressions/functions/files.ts";
import { parseTypeExpression } from "../expressions/types.ts";
import { itemOf, type Value } from "../expressions/values.ts";
import { TemplateError } from "../templateError.ts";
import { replaceReferences } from "./interpolate.ts";
import { parseTemplate } from "./template.ts";

/** Loads HCL2's expressions and functions for a file that has them. */
export async function loadEvaluator(top: Body, host: HostAccess | undefined): Promise<Evaluator> {
  if (hasOnlyReferences(top)) return referenceEvaluator;
  const { hclEvaluator } = await import("../expressions/hcl.ts");
  return hclEvaluator(host);
}

const referenceEvaluator: Evaluator = {
  evaluate: (text, names) =>
    replaceReferences(text, ({ root, path, text: whole }) => {
      const found = names(root, path, whole);
      return found && follow(found, path, whole);
    }),
  constant: (text) => parseJsonOrNothing(text) ?? refuseConstant(text),
  typeOf: (text) => {
    const name = /^\$\{\s*(\w+)\s*\}$/.exec(text)?.[1] ?? (text === "" ? "any" : text);
    return parseTypeExpression({ kind: "variable", name, text: name });
  },
};

function refuseConstant(text: string): never {
  throw new TemplateError("it is not JSON", text);
}

function follow({ value, steps }: Found, path: readonly (string | number)[], text: string): Value {
  return path.slice(steps).reduce<Value>((inner, key) => itemOf(inner, key, text), value);
}

function hasOnlyReferences(value: unknown): boolean {
  if (typeof value === "string") return parsesAsReferences(value);
  if (typeof value !== "object" || value === null) return true;
  return Object.entries(value).every(([key, item]) => parsesAsReferences(key) && hasOnlyReferences(item));
}

function parsesAsReferences(text: string): boolean {
  if (!/[$%]\{/.test(text)) return true;
  try {
    parseTemplate(text);
    return true;
  } catch (thrown) {
    if (thrown instanceof TemplateError) return false;
    throw thrown;
  }
}
