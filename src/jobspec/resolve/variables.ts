/** The job file's own definitions: its `variable` and `locals` blocks. */
import { parseJsonOrNothing } from "../../json.ts";
import { suggestion } from "../../suggest.ts";
import { type Body, body, labelled, many } from "../body.ts";
import { type JobFile, rejectJob } from "../jobFile.ts";
import { substitute } from "./interpolate.ts";
import { type Reference, TemplateError } from "./template.ts";

/** The sources of variables' values, besides their defaults. */
export interface VariableSources {
  /** `--var name=value`. */
  readonly given: Readonly<Record<string, string>>;
  /** Values of `--var-file`, which `--var` overrides. */
  readonly files?: Readonly<Record<string, unknown>> | undefined;
  /** The process's environment: `NOMAD_VAR_<name>`. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** Resolves `var.…` and `local.…`; leaves other references for a later step. */
export type FileScope = (reference: Reference) => unknown;

/** @throws DriverError `JOB_INVALID` for unset, unknown or wrongly typed variables */
export function readFileScope(file: JobFile, top: Body, sources: VariableSources): FileScope {
  const variables = readVariables(file, top, sources);
  const locals = Object.assign({}, ...many(top.locals).map((block) => body(file, "locals", block)));
  return fileScope(variables, locals);
}

function readVariables(file: JobFile, top: Body, sources: VariableSources): Record<string, unknown> {
  const declared = labelled(file, "variable", top.variable);
  const names = declared.map(({ label }) => label);
  for (const name of [...Object.keys(sources.given), ...Object.keys(sources.files ?? {})]) {
    if (names.includes(name)) continue;
    const hint = suggestion(name, names);
    rejectJob(file, { place: "", message: `the file declares no variable ${name}`, hint });
  }
  return Object.fromEntries(
    declared.map(({ label, block }) => [label, variableValue(file, label, block, sources)]),
  );
}

function variableValue(file: JobFile, name: string, block: Body, sources: VariableSources): unknown {
  const place = `variable.${name}`;
  if (block.validation !== undefined) file.ignored.add(`${place}.validation`);
  const { files = {} } = sources;
  if (sources.given[name] === undefined && Object.hasOwn(files, name)) return files[name];
  const text = sources.given[name] ?? sources.environment[`NOMAD_VAR_${name}`];
  if (text !== undefined) return convert(file, place, text, String(block.type ?? ""));
  if (block.default !== undefined) return block.default;
  return rejectJob(file, {
    place,
    message: "it has no default and no value was given",
    hint: `Give one with --var ${name}=VALUE or in the environment as NOMAD_VAR_${name}.`,
  });
}

/** @param type the type constraint as the parser returns it, such as `${list(string)}` */
function convert(file: JobFile, place: string, text: string, type: string): unknown {
  const kind = /^\$\{\s*(\w+)/.exec(type)?.[1] ?? "string";
  if (kind === "string") return text;
  const value = parseJsonOrNothing(text);
  if (kind === "any") return value ?? text;
  const fits =
    kind === "number" || kind === "bool"
      ? typeof value === (kind === "bool" ? "boolean" : "number")
      : typeof value === "object" && value !== null;
  if (fits) return value;
  return rejectJob(file, {
    place,
    message: `the value given is no ${kind}`,
    hint: kind === "number" || kind === "bool" ? "" : 'Write it as JSON, such as ["a", "b"].',
  });
}

/** Locals may use variables and one another, so each is evaluated on its first use. */
function fileScope(variables: Record<string, unknown>, locals: Record<string, unknown>): FileScope {
  const known = new Map<string, unknown>();
  const inProgress = new Set<string>();
  const scope: FileScope = (reference) => {
    if (reference.root === "var") return pick(reference, variables, (name) => variables[name]);
    if (reference.root === "local") return pick(reference, locals, local);
    return undefined;
  };
  const local = (name: string): unknown => {
    if (known.has(name)) return known.get(name);
    if (inProgress.has(name)) throw new TemplateError(`local.${name} depends on itself`, `local.${name}`);
    inProgress.add(name);
    known.set(name, substitute(locals[name], scope));
    return known.get(name);
  };
  return scope;
}

/** Follows a reference below `var` or `local`. */
function pick(
  reference: Reference,
  names: Record<string, unknown>,
  find: (name: string) => unknown,
): unknown {
  const [name, ...rest] = reference.path;
  if (typeof name !== "string" || !Object.hasOwn(names, name)) {
    const hint = suggestion(String(name), Object.keys(names));
    throw new TemplateError(`there is no ${reference.root}.${name}. ${hint}`, reference.text);
  }
  let value = find(name);
  for (const step of rest) {
    const inside = typeof value === "object" && value !== null && Object.hasOwn(value, step);
    if (!inside) throw new TemplateError(`${reference.text} does not exist`, reference.text);
    value = (value as Record<string | number, unknown>)[step];
  }
  return value;
}
