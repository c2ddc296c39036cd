/**
 * HCL2 for job files: all of its expressions, and Nomad's functions. Loaded only for files that need it.
 * Pure.
 */

import { TemplateError } from "../templateError.ts";
import { evaluate, maxIterations } from "./evaluate.ts";
import type { Evaluator, Names } from "./evaluator.ts";
import { collectionFunctions } from "./functions/collections.ts";
import type { Functions } from "./functions/define.ts";
import { encodingFunctions } from "./functions/encodings.ts";
import { type HostAccess, hostFunctions, noHost } from "./functions/files.ts";
import { networkFunctions } from "./functions/networks.ts";
import { numberFunctions } from "./functions/numbers.ts";
import { patternFunctions, textFunctions } from "./functions/texts.ts";
import { timeFunctions } from "./functions/times.ts";
import { parseExpression, parseTemplateText } from "./parser.ts";
import { parseTypeExpression } from "./types.ts";

/** @param host what functions reach outside of the job file; by default nothing */
export function hclEvaluator(host: HostAccess = noHost): Evaluator {
  const functions = allFunctions(host);
  const scopeOf = (lookup: Names) => ({ lookup, functions, iterations: { left: maxIterations } });
  return {
    evaluate: (text, lookup) => {
      try {
        return evaluate(parseTemplateText(text), scopeOf(lookup));
      } catch (thrown) {
        // If texts are nested, the error keeps the innermost text, and shows the place in it.
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

/**
 * All functions of Nomad's job files (jobspec2/functions.go), except try, can and convert, which are in
 * evaluate.ts.
 */
function allFunctions(host: HostAccess): Functions {
  return {
    ...textFunctions,
    ...patternFunctions(host.patterns),
    ...collectionFunctions,
    ...numberFunctions,
    ...encodingFunctions,
    ...networkFunctions,
    ...timeFunctions,
    ...hostFunctions(host),
  };
}
