/** Renders templates of Go's text/template. Pure. */
import { suggestion } from "../../../base/suggest.ts";
import { formatBytes } from "../../../units/sizes.ts";
import { TemplateError } from "../templateError.ts";
import { type TemplateFacts, templateFunctions } from "./functions.ts";
import { type Delimiters, inLine, parseGoTemplate } from "./parser.ts";
import type { Branch, Command, FunctionCall, Node, Operand, ParsedTemplate, Pipeline } from "./syntaxTree.ts";
import {
  compare,
  type Functions,
  type GoValue,
  goText,
  isList,
  isMap,
  isTrue,
  kindOf,
  sortedKeys,
} from "./values.ts";

export interface GoTemplate {
  /**
   * An error for each function that does not exist, or that a local run lacks: also for one that this run
   * would not call, because Go looks all functions up before it renders a template.
   */
  readonly problems: readonly TemplateError[];
  /**
   * @param dot what the template is about; nil in a job's templates
   * @throws TemplateError that names the line
   */
  readonly render: (dot?: GoValue) => string;
}

/** @throws TemplateError that names the line */
export function openGoTemplate(source: string, delimiters: Delimiters, facts: TemplateFacts): GoTemplate {
  const { main, defined, calls } = parseGoTemplate(source, delimiters);
  const functions = templateFunctions(facts);
  return {
    problems: calls.flatMap((call) => problemOf(call, functions) ?? []),
    render: (dot = null) => new Rendering(defined, functions).render(main, dot, undefined),
  };
}

/**
 * Maximum depth of sections and template calls. A template that calls itself must fail before the stack
 * overflows.
 */
const maxDepth = 300;
/**
 * Maximum length of the rendered text, and maximum number of iterations. Nested loops must end before they
 * exhaust the memory.
 */
const maxLength = 16 * 1024 * 1024;
const maxIterations = 1_000_000;

type Variables = Map<string, GoValue>;

/** The variables of a section, and the scope around it. */
interface Scope {
  readonly own: Variables;
  readonly around: Scope | undefined;
}

class Rendering {
  readonly #defined: ParsedTemplate["defined"];
  readonly #functions: Functions;
  #depth = 0;
  #iterations = 0;
  #text = "";

  constructor(defined: ParsedTemplate["defined"], functions: Functions) {
    this.#defined = defined;
    this.#functions = functions;
  }

  render(nodes: readonly Node[], dot: GoValue, around: Scope | undefined): string {
    this.#nodes(nodes, dot, { own: new Map([["$", dot]]), around });
    return this.#text;
  }

  /** @returns the `break` or `continue` that ended the nodes, for the loop around them */
  #nodes(nodes: readonly Node[], dot: GoValue, scope: Scope): "break" | "continue" | undefined {
    this.#depth++;
    for (const node of nodes) {
      const end = this.#node(node, dot, scope);
      if (end !== undefined) {
        this.#depth--;
        return end;
      }
    }
    this.#depth--;
    return undefined;
  }

  #node(node: Node, dot: GoValue, scope: Scope): "break" | "continue" | undefined {
    switch (node.kind) {
      case "text":
        this.#write(node.text, 0);
        return undefined;
      case "output": {
        const value = this.#pipeline(node, dot, scope);
        // A declaration writes nothing.
        if (node.names.length === 0) this.#write(goText(value), node.line);
        return undefined;
      }
      case "break":
      case "continue":
        return node.kind;
      case "template":
        this.#template(node, dot, scope);
        return undefined;
      case "range":
        return this.#range(node, dot, scope);
      default: {
        const inner = { own: new Map(), around: scope };
        const value = this.#pipeline(node.pipeline, dot, inner);
        const holds = isTrue(value);
        const inside = node.kind === "with" && holds ? value : dot;
        return this.#nodes(holds ? node.body : node.otherwise, inside, inner);
      }
    }
  }

  /** Counts iterations of loops and calls of templates. */
  #countIterations(count: number, line: number): void {
    this.#iterations += count;
    if (this.#iterations > maxIterations)
      throw inLine(line, `the loops have more than ${maxIterations} iterations`);
  }

  #write(text: string, line: number): void {
    this.#text += text;
    if (this.#text.length > maxLength)
      throw inLine(line, `its text would be longer than ${formatBytes(maxLength)}`);
  }

  #range(
    { pipeline, body, otherwise }: Branch,
    dot: GoValue,
    scope: Scope,
  ): "break" | "continue" | undefined {
    const items = rangeOf(this.#pipeline({ ...pipeline, names: [] }, dot, scope), pipeline.line);
    if (items.length === 0) return this.#nodes(otherwise, dot, { own: new Map(), around: scope });
    this.#countIterations(items.length, pipeline.line);
    for (const [key, item] of items) {
      const inner: Scope = { own: new Map(), around: scope };
      const values = pipeline.names.length === 2 ? [key, item] : [item];
      for (const [index, name] of pipeline.names.entries()) inner.own.set(name, values[index] ?? null);
      if (this.#nodes(body, item, inner) === "break") break;
    }
    return undefined;
  }

  #template({ name, argument, line }: Extract<Node, { kind: "template" }>, dot: GoValue, scope: Scope): void {
    const nodes = this.#defined.get(name);
    if (nodes === undefined) throw inLine(line, `no template is defined as ${JSON.stringify(name)}`);
    this.#countIterations(1, line);
    if (this.#depth > maxDepth) {
      throw inLine(line, `the template ${JSON.stringify(name)} calls itself too often`);
    }
    const value = argument === undefined ? null : this.#pipeline(argument, dot, scope);
    this.#nodes(nodes, value, { own: new Map([["$", value]]), around: undefined });
  }

  #pipeline({ names, assigns, commands, line }: Pipeline, dot: GoValue, scope: Scope): GoValue {
    let value: GoValue | undefined;
    for (const command of commands) value = this.#command(command, value, dot, scope, line);
    const result = value ?? null;
    for (const name of names) {
      const owner = assigns ? ownerOf(name, scope, line) : scope.own;
      owner.set(name, result);
    }
    return result;
  }

  #command(
    [first, ...rest]: Command,
    piped: GoValue | undefined,
    dot: GoValue,
    scope: Scope,
    line: number,
  ): GoValue {
    if (first === undefined) return null;
    if (first.kind === "function") return this.#call(first.name, rest, piped, dot, scope, line);
    if (rest.length > 0 || piped !== undefined)
      throw inLine(line, "a value is not a function, and takes no arguments");
    return this.#operand(first, dot, scope, line);
  }

  #operand(operand: Operand, dot: GoValue, scope: Scope, line: number): GoValue {
    switch (operand.kind) {
      case "literal":
        return operand.value;
      case "function":
        return this.#call(operand.name, [], undefined, dot, scope, line);
      case "value": {
        const { root, fields } = operand;
        const start =
          typeof root !== "string"
            ? this.#pipeline(root, dot, scope)
            : root === "."
              ? dot
              : (ownerOf(root, scope, line).get(root) ?? null);
        return fields.reduce((value, field) => fieldOf(value, field, line), start);
      }
    }
  }

  #call(
    name: string,
    operands: readonly Operand[],
    piped: GoValue | undefined,
    dot: GoValue,
    scope: Scope,
    line: number,
  ): GoValue {
    // `and` and `or` stop evaluating once the result is known.
    if (name === "and" || name === "or") {
      let value: GoValue = null;
      for (const operand of operands) {
        value = this.#operand(operand, dot, scope, line);
        if (isTrue(value) === (name === "or")) return value;
      }
      return piped ?? value;
    }
    const known = Object.hasOwn(this.#functions, name) ? this.#functions[name] : undefined;
    if (known === undefined) throw problemOf({ name, line }, this.#functions);
    const values = operands.map((operand) => this.#operand(operand, dot, scope, line));
    if (piped !== undefined) values.push(piped);
    try {
      return known(values);
    } catch (thrown) {
      if (!(thrown instanceof TemplateError)) throw thrown;
      throw inLine(line, `${name}: ${thrown.message}`, thrown.fault);
    }
  }
}

function ownerOf(name: string, scope: Scope, line: number): Variables {
  for (let each: Scope | undefined = scope; each !== undefined; each = each.around) {
    if (each.own.has(name)) return each.own;
  }
  throw inLine(line, `there is no variable ${name}`);
}

/** A field that a map lacks is nil. Other values have no fields. */
function fieldOf(value: GoValue, field: string, line: number): GoValue {
  if (isMap(value)) return value.get(field) ?? null;
  throw inLine(line, `${kindOf(value)} has no field ${field}`);
}

function rangeOf(value: GoValue, line: number): (readonly [GoValue, GoValue])[] {
  if (value === null) return [];
  if (isList(value)) return value.map((item, index) => [BigInt(index), item]);
  if (isMap(value)) return sortedKeys(value).map((key) => [key, value.get(key) ?? null]);
  if (typeof value === "bigint" && compare(value, 100_000n) <= 0) {
    return Array.from({ length: Math.max(0, Number(value)) }, (_, index) => [BigInt(index), BigInt(index)]);
  }
  throw inLine(line, `range iterates over a list, a map or a small whole number, not over ${kindOf(value)}`);
}

/** Functions of Nomad's templates that a local run lacks, grouped by the reason. */
const consulValues = "key keyExists keyOrDefault ls safeLs tree safeTree service services";
const consul =
  "node nodes datacenters connect caRoots caLeaf exportedServices partitions peerings byMeta byKey byTag byPort byAddress";
const vault = "secrets pkiCert byVault";
const nomadValues = "nomadService nomadServices nomadVar nomadVarExists nomadVarList nomadVarListSafe";
const files = "file executeTemplate writeToFile plugin";
const formats = "parseYAML toYAML toTOML";
const others = "explode explodeMap scratch sockaddr splitToMap spew_dump spew_printf spew_sdump spew_sprintf";

const reasons: readonly (readonly [string, string])[] = [
  [consulValues, "needs Consul, and a local run has none; --values FILE gives it values"],
  [consul, "needs Consul, and a local run has none"],
  ["secret", "needs Vault, and a local run has none; --values FILE gives it values"],
  [vault, "needs Vault, and a local run has none"],
  [nomadValues, "needs a Nomad server, and a local run has none; --values FILE gives it values"],
  [
    files,
    "accesses files or programs, which templates of a local run cannot; use HCL's file() to read a file",
  ],
  [formats, "is missing in a local run; use parseJSON or toJSON"],
  [others, "is missing in a local run"],
];

/** The error for a function that does not exist here; undefined for one that does. */
function problemOf({ name, line }: FunctionCall, functions: Functions): TemplateError | undefined {
  if (name === "and" || name === "or" || Object.hasOwn(functions, name)) return undefined;
  const reason = whyMissing(name);
  if (reason !== undefined) return inLine(line, reason, "lacking");
  return inLine(
    line,
    `there is no function ${name}. ${suggestion(name, [...Object.keys(functions), "and", "or"])}`,
  );
}

/** Why a local run lacks a function; undefined for a function that no version of Nomad has. */
function whyMissing(name: string): string | undefined {
  if (name.startsWith("sprig_")) return `${name} is missing in a local run, as all of sprig is`;
  const reason = reasons.find(([names]) => names.split(" ").includes(name))?.[1];
  return reason && `${name} ${reason}`;
}
