/** What templates ask of servers, as far as their texts name it, and an example of a file that answers. Pure. */
import { type Delimiters, parseGoTemplate } from "./parser.ts";
import type { ServerValues } from "./serverValues.ts";
import type { Node, Operand, Pipeline } from "./syntaxTree.ts";

/** One kind of value, the name of the wanted one, and the fields of it that the template reads. */
export interface AskedValue {
  readonly kind: keyof ServerValues;
  /** Undefined if the template computes it. */
  readonly name: string | undefined;
  readonly fields: readonly (readonly string[])[];
}

/** The values that functions of each kind ask for. Those of `below` are named by a folder of names. */
const askers: Readonly<Record<string, { readonly kind: keyof ServerValues; readonly below?: true }>> = {
  secret: { kind: "secret" },
  key: { kind: "key" },
  keyExists: { kind: "key" },
  keyOrDefault: { kind: "key" },
  ls: { kind: "key", below: true },
  safeLs: { kind: "key", below: true },
  tree: { kind: "key", below: true },
  safeTree: { kind: "key", below: true },
  service: { kind: "service" },
  services: { kind: "service", below: true },
  nomadService: { kind: "nomadService" },
  nomadServices: { kind: "nomadService", below: true },
  nomadVar: { kind: "nomadVar" },
  nomadVarExists: { kind: "nomadVar" },
  nomadVarList: { kind: "nomadVar", below: true },
  nomadVarListSafe: { kind: "nomadVar", below: true },
};

/** @throws TemplateError that names the line */
export function askedValues(source: string, delimiters: Delimiters): AskedValue[] {
  const { main, defined } = parseGoTemplate(source, delimiters);
  return [main, ...defined.values()].flatMap(inNodes);
}

function inNodes(nodes: readonly Node[]): AskedValue[] {
  return nodes.flatMap((node): AskedValue[] => {
    switch (node.kind) {
      case "output":
        return inPipeline(node, []);
      case "if":
      case "range":
      case "with": {
        const read =
          node.kind === "with" ? fieldsRead(node.body, new Set([".", ...node.pipeline.names])) : [];
        return [...inPipeline(node.pipeline, read), ...inNodes(node.body), ...inNodes(node.otherwise)];
      }
      case "template":
        return node.argument === undefined ? [] : inPipeline(node.argument, []);
      default:
        return [];
    }
  });
}

/** @param read the fields of its value that are read elsewhere */
function inPipeline({ commands }: Pipeline, read: AskedValue["fields"]): AskedValue[] {
  return commands.flatMap((command) => {
    const [first, ...args] = command;
    const nested = command.flatMap((operand) =>
      operand.kind === "value" && typeof operand.root !== "string"
        ? inPipeline(operand.root, [operand.fields])
        : [],
    );
    const asker =
      first?.kind === "function" && Object.hasOwn(askers, first.name) ? askers[first.name] : undefined;
    if (asker === undefined) return nested;
    const { kind, below = false } = asker;
    return [{ kind, name: nameOf(kind, args, below), fields: read }, ...nested];
  });
}

/** `nomadService COUNT KEY NAME` has the name last; other arguments follow it. */
function nameOf(kind: keyof ServerValues, args: readonly Operand[], below: boolean): string | undefined {
  const wanted = kind === "nomadService" && args.length === 3 ? args[2] : args[0];
  const name = wanted?.kind === "literal" && typeof wanted.value === "string" ? wanted.value : undefined;
  if (!below) return name;
  if (kind === "service" || kind === "nomadService") return "example";
  const folder = wanted === undefined ? "" : name?.replace(/\/+$/, "");
  return folder === undefined ? undefined : `${folder}${folder && "/"}example`;
}

/** The fields of `.`, or of a variable, in nodes where `.` is that value. */
function fieldsRead(nodes: readonly Node[], roots: ReadonlySet<string>): string[][] {
  const within = ({ commands }: Pipeline): string[][] =>
    commands.flat().flatMap((operand) => {
      if (operand.kind !== "value") return [];
      if (typeof operand.root !== "string") return within(operand.root);
      return roots.has(operand.root) && operand.fields.length > 0 ? [[...operand.fields]] : [];
    });
  return nodes.flatMap((node): string[][] => {
    if (node.kind === "output") return within(node);
    if (node.kind !== "if" && node.kind !== "range" && node.kind !== "with") return [];
    // `range` and `with` give `.` another value.
    const inner = node.kind === "if" ? roots : new Set([...roots].filter((root) => root !== "."));
    return [...within(node.pipeline), ...fieldsRead(node.body, inner), ...fieldsRead(node.otherwise, roots)];
  });
}

type Example = string | number | readonly Example[] | { readonly [key: string]: Example };

/** A file for `--values` that has an example of each value, in HCL. */
export function exampleValues(asked: readonly AskedValue[]): string {
  const kinds = [...Map.groupBy(asked, ({ kind }) => kind)];
  return kinds.map(([kind, values]) => `${kind} = ${hcl(exampleOf(kind, values))}\n`).join("\n");
}

function exampleOf(kind: keyof ServerValues, values: readonly AskedValue[]): Record<string, Example> {
  const example: Record<string, Example> = {};
  for (const { name, fields } of values) {
    if (name === undefined) continue;
    if (kind === "key") example[name] = "example";
    else if (kind === "secret" || kind === "nomadVar") {
      const known = example[name];
      const own: Record<string, Example> = isObject(known) ? { ...known } : {};
      example[name] = own;
      // Everything of a secret is below .Data, which the file leaves out.
      const paths =
        kind === "secret"
          ? fields.filter(([first]) => first === "Data").map((path) => path.slice(1))
          : fields;
      for (const path of paths) setField(own, path);
    } else {
      const [, tag, service = name] = /^([^.]+)\.(.+)$/.exec(name.replace(/[@~|].*$/, "")) ?? [];
      const plain = service.replace(/[@~|].*$/, "");
      example[plain] ??= [
        { Address: "127.0.0.1", Port: 8080, ...(tag === undefined ? {} : { Tags: [tag] }) },
      ];
    }
  }
  return example;
}

/** Sets an example at a path, unless there is something below it already. */
function setField(example: Record<string, Example>, [first, ...rest]: readonly string[]): void {
  if (first === undefined) return;
  if (rest.length === 0) example[first] ??= "example";
  else {
    const known = example[first];
    const inner: Record<string, Example> = isObject(known) ? { ...known } : {};
    setField(inner, rest);
    example[first] = inner;
  }
}

function isObject(value: Example | undefined): value is { readonly [key: string]: Example } {
  return typeof value === "object" && !Array.isArray(value);
}

function hcl(value: Example, indent = ""): string {
  if (Array.isArray(value)) return `[${value.map((each) => hcl(each, indent)).join(", ")}]`;
  if (typeof value !== "object") return quoted(value);
  const entries = Object.entries(value);
  if (entries.length === 0) return "{}";
  const inner = `${indent}  `;
  const lines = entries.map(([key, each]) => `${inner}${quoted(key)} = ${hcl(each, inner)}\n`);
  return `{\n${lines.join("")}${indent}}`;
}

/** Texts are literal, so `${` and `%{` are escaped. */
function quoted(value: string | number): string {
  return JSON.stringify(value).replace(/[$%](?=\{)/g, "$&$&");
}
