/** HCL2 for job files: all of its expressions, and Nomad's functions. Loaded for files that need it. */
import { TemplateError } from "../templateError.ts";
import { evaluate, maxIterations } from "./evaluate.ts";
import type { Evaluator, Names } from "./evaluator.ts";
import { type HostAccess, noHost } from "./functions/files.ts";
import { allFunctions } from "./functions/functions.ts";
import { parseExpression, parseTemplateText } from "./parser.ts";
import { parseTypeExpression } from "./types.ts";

/** @param host what file functions reach; without it, nothing */
export function hclEvaluator(host: HostAccess = noHost): Evaluator {
  const functions = allFunctions(host);
  const scopeOf = (lookup: Names) => ({ lookup, functions, iterations: { left: maxIterations } });
  return {
    evaluate: (text, lookup) => {
      try {
        return evaluate(parseTemplateText(text), scopeOf(lookup));
      } catch (thrown) {
        // The error shows the place of the innermost text.
        if (thrown instanceof TemplateError) thrown.whole ??= text;
        throw thrown;
      }
    },
    constant: (text, lookup) => evaluate(parseExpression(text), scopeOf(lookup)),
    typeOf: (text) => {
      const [, inside] = /^\$\{(.*)\}$/s.exec(text) ?? [];
      return parseTypeExpression(parseExpression(inside ?? (text === "" ? "any" : text)));
    },
  };
}
