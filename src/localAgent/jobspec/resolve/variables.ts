/** The job file's own definitions: its `variable`, `variables` and `locals` blocks. Pure. */
import { parseJsonOrNothing } from "../../../base/json.ts";
import { suggestion } from "../../../base/suggest.ts";
import type { Evaluator, Found, Names } from "../expressions/evaluator.ts";
import type { HostAccess } from "../expressions/functions/files.ts";
import { parseTypeExpression, type Type, toType, typeText } from "../expressions/types.ts";
import { boolOf, itemOf, textOf, type Value } from "../expressions/values.ts";
import { attempt, evaluateAt, type JobFile, rejectJob, report } from "../jobFile.ts";
import { asList, type Body, body, labelled } from "../syntax.ts";
import { TemplateError } from "../templateError.ts";
import { replaceReferences, substitute } from "./interpolate.ts";
import { parseTemplate } from "./template.ts";

/** The sources of variables' values, besides their defaults. */
export interface VariableSources {
  /** `--var name=value`. */
  readonly given: Readonly<Record<string, string>>;
  /** Values of `--var-file`, which `--var` overrides. */
  readonly files?: Readonly<Record<string, unknown>> | undefined;
  /** The process's environment: `NOMAD_VAR_<name>`. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** Evaluates texts of the file. References that only the allocation resolves stay in the texts. */
export interface FileScope {
  /** @throws TemplateError */
  readonly evaluate: (text: string) => unknown;
  /** A scope that has more names, such as the iterator of a dynamic block. */
  readonly with: (names: Readonly<Record<string, unknown>>) => FileScope;
}

/** The file collects the problems of unset, unknown or wrongly typed variables, and of locals. */
export async function readFileScope(file: JobFile, top: Body, sources: VariableSources): Promise<FileScope> {
  const evaluator = await loadEvaluator(top, file.host);
  const variables = readVariables(file, top, sources, evaluator);
  const locals: Record<string, unknown> = Object.assign(
    {},
    ...asList(top.locals).map((block) => body(file, "locals", block)),
  );
  const names = fileNames(evaluator, variables, locals);
  // Locals that nothing uses must be right, too.
  for (const name of Object.keys(locals))
    attempt(file, () => evaluateAt(file, `locals.${name}`, () => names("local", [name], name)));
  return scopeOf(evaluator, afterLocals(names, locals));
}

function scopeOf(evaluator: Evaluator, names: Names): FileScope {
  return {
    evaluate: (text) => evaluator.evaluate(text, names),
    with: (added) =>
      scopeOf(evaluator, (name, path, text) =>
        Object.hasOwn(added, name) ? { value: added[name] as Value, steps: 0 } : names(name, path, text),
      ),
  };
}

function readVariables(
  file: JobFile,
  top: Body,
  sources: VariableSources,
  evaluator: Evaluator,
): Record<string, Value | undefined> {
  // An attribute of a `variables` block is a variable, and the attribute's value is its default.
  const short = asList(top.variables).flatMap((block) => Object.entries(body(file, "variables", block)));
  const declared = [
    ...labelled(file, "variable", top.variable),
    ...short.map(([label, value]) => ({ label, block: withDefault(value) })),
  ];
  const names = declared.map(({ label }) => label);
  for (const name of [...Object.keys(sources.given), ...Object.keys(sources.files ?? {})]) {
    if (names.includes(name)) continue;
    const hint = suggestion(name, names);
    report(file, { place: "", message: `the file declares no variable ${name}`, hint });
  }
  const values = Object.fromEntries(
    declared.map(({ label, block }) => [
      label,
      attempt(file, () => variableValue(file, label, block, sources, evaluator)),
    ]),
  );
  const scope = scopeOf(evaluator, fileNames(evaluator, values, {}));
  for (const { label, block } of declared) attempt(file, () => checkValidations(file, label, block, scope));
  return values;
}

/** Makes a variable of a `variables` block. If its default is a list or map, the variable accepts JSON. */
function withDefault(value: unknown): Body {
  return { default: value, ...(typeof value === "object" && value !== null && { type: "any" }) };
}

function variableValue(
  file: JobFile,
  name: string,
  block: Body,
  { given, files = {}, environment }: VariableSources,
  evaluator: Evaluator,
): Value {
  const place = `variable.${name}`;
  const type = evaluateAt(file, `${place}.type`, () => evaluator.typeOf(String(block.type ?? "")));
  const constant = (value: unknown) =>
    evaluateAt(file, place, () => substitute(value, (text) => evaluator.evaluate(text, noNames)) as Value);
  const text = given[name] ?? (Object.hasOwn(files, name) ? undefined : environment[`NOMAD_VAR_${name}`]);
  const isGiven = text !== undefined || Object.hasOwn(files, name);
  if (!isGiven && block.default === undefined) {
    return rejectJob(file, {
      place,
      message: "it has no default and no value was given",
      hint: `Give one with --var ${name}=VALUE or in the environment as NOMAD_VAR_${name}.`,
    });
  }
  if (text === undefined) {
    const value = constant(isGiven ? files[name] : block.default);
    const subject = isGiven ? "the value given" : "its default";
    return evaluateAt(file, isGiven ? place : `${place}.default`, () => toType(value, type, subject));
  }
  try {
    return block.type === undefined ? text : toType(givenValue(text, type, evaluator), type);
  } catch (thrown) {
    if (!(thrown instanceof TemplateError)) throw thrown;
    const isSingle = type.kind === "number" || type.kind === "bool";
    return rejectJob(file, {
      place,
      message: `the value given must be of the type ${typeText(type)}`,
      hint: isSingle ? "" : 'Write it as in a job file, such as ["a", "b"].',
    });
  }
}

/**
 * A string, number or bool is given as it stands. For the type `any`, a text that is JSON stands for its
 * value, and any other text is a string. Values of other types are given as HCL.
 */
function givenValue(text: string, { kind }: Type, evaluator: Evaluator): Value {
  if (["string", "number", "bool"].includes(kind)) return text;
  if (kind === "any") return (parseJsonOrNothing(text) as Value | undefined) ?? text;
  return evaluator.constant(text, noNames) as Value;
}

function checkValidations(file: JobFile, name: string, block: Body, scope: FileScope): void {
  for (const each of asList(block.validation)) {
    const place = `variable.${name}.validation`;
    const { condition, error_message: message } = body(file, place, each);
    const holds = evaluateAt(file, place, () =>
      boolOf((typeof condition === "string" ? scope.evaluate(condition) : condition) as Value),
    );
    if (holds === undefined) rejectJob(file, { place, message: "its condition must be true or false" });
    if (!holds) {
      const shown = evaluateAt(file, place, () => textOf(scope.evaluate(String(message ?? "")) as Value));
      rejectJob(file, { place: `variable.${name}`, message: shown || "its value is not allowed" });
    }
  }
}

/** A variable's default and its value are constants. */
const noNames: Names = (name, _, text) => {
  throw new TemplateError(`a variable's value must be a constant, but ${name} is not one`, text);
};

/** How deep locals may depend on one another. Deeper dependencies could exhaust the stack. */
const maxLocals = 200;

/** Names after the evaluation of all locals, when each error in a local has been reported. */
function afterLocals(names: Names, locals: Record<string, unknown>): Names {
  return (name, path, text) => {
    try {
      return names(name, path, text);
    } catch (thrown) {
      const isLocal = name === "local" && Object.hasOwn(locals, String(path[0]));
      throw isLocal ? new TemplateError(`local.${path[0]} is wrong`, text, "reported") : thrown;
    }
  };
}

/** Locals may use variables and one another, so each is evaluated on its first use. */
function fileNames(
  evaluator: Evaluator,
  variables: Record<string, Value | undefined>,
  locals: Record<string, unknown>,
): Names {
  const known = new Map<string, Value>();
  const wrong = new Map<string, TemplateError>();
  const inProgress = new Set<string>();
  const names: Names = (name, path, text) => {
    if (name === "var") return found(name, path, text, variables, variable);
    if (name === "local") return found(name, path, text, locals, local);
    return undefined;
  };
  const variable = (name: string): Value => {
    const value = variables[name];
    if (value === undefined) throw new TemplateError(`var.${name} is wrong`, name, "reported");
    return value;
  };
  const local = (name: string): Value => {
    if (known.has(name)) return known.get(name) as Value;
    const before = wrong.get(name);
    if (before !== undefined) throw before;
    if (inProgress.size > maxLocals) throw new TemplateError("local values depend on too many others", name);
    if (inProgress.has(name)) throw new TemplateError(`local.${name} depends on itself`, `local.${name}`);
    inProgress.add(name);
    try {
      const value = substitute(locals[name], (text) => evaluator.evaluate(text, names)) as Value;
      known.set(name, value);
      return value;
    } catch (thrown) {
      if (thrown instanceof TemplateError) wrong.set(name, thrown);
      throw thrown;
    } finally {
      inProgress.delete(name);
    }
  };
  return names;
}

/** The variable or local that the first step below `var` or `local` names. */
function found(
  root: string,
  [name]: readonly (string | number)[],
  text: string,
  names: Record<string, unknown>,
  value: (name: string) => Value,
) {
  if (typeof name === "string" && Object.hasOwn(names, name)) return { value: value(name), steps: 1 };
  const hint = suggestion(String(name), Object.keys(names));
  throw new TemplateError(`there is no ${root}.${name}. ${hint}`, text);
}

/** Loads HCL2's expressions and functions for a file that has them. Most files have only references. */
async function loadEvaluator(top: Body, host: HostAccess): Promise<Evaluator> {
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
