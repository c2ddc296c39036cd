/** The JSON Schema of what verbs print with `--json`: the types of what they give to `jsonOf` and `printRows`. */
import { join } from "node:path";
import type { Node } from "typescript/unstable/ast";
import { isCallExpression, isIdentifier, isStringLiteral } from "typescript/unstable/ast/is";
import {
  API,
  type Checker,
  SignatureKind,
  SymbolFlags,
  type Type,
  TypeFlags,
  type Symbol as TypeSymbol,
} from "typescript/unstable/sync";
import { dialect, type JsonSchema } from "./jsonSchema.ts";

const root = join(import.meta.dirname, "../..");

/** Functions that take the name of an output and what is printed: a value, or the values of several lines. */
const printers: Readonly<Record<string, "value" | "rows">> = { jsonOf: "value", printRows: "rows" };

/** Each output is in `$defs`, by its verb and option. */
export function outputSchema(): JsonSchema {
  using compiler = openCompiler();
  const outputs = [...Map.groupBy(compiler.printed(), ({ name }) => name)].sort(([a], [b]) =>
    a < b ? -1 : 1,
  );
  const defs = outputs.map(([name, [first, ...others]]) => {
    if (first === undefined || others.length > 0) throw new Error(`${name} is printed at several places`);
    return [name, compiler.schemaOf(first.type)] as const;
  });
  return {
    $schema: dialect,
    title: "What verbs print with --json: an object, or an object per line",
    $defs: Object.fromEntries(defs),
  };
}

interface Printed {
  readonly name: string;
  readonly type: Type;
}

/** TypeScript's compiler, with the project opened. */
function openCompiler() {
  const api = new API({ cwd: root });
  const snapshot = api.updateSnapshot({ openProjects: [join(root, "tsconfig.json")] });
  const [project] = snapshot.getProjects();
  if (project === undefined) throw new Error("TypeScript cannot open the project");
  const { program, checker } = project;
  const printed = (): Printed[] =>
    program
      .getSourceFileNames()
      .filter((path) => path.startsWith(join(root, "src/cli/")))
      .flatMap((path) => {
        const file = program.getSourceFile(path);
        return file === undefined || !/\b(?:jsonOf|printRows)\(/.test(file.text)
          ? []
          : callsIn(file, checker);
      });
  return {
    printed,
    schemaOf: (type: Type) => new SchemaMaker(checker).of(type),
    [Symbol.dispose]: () => api.close(),
  };
}

function callsIn(node: Node, checker: Checker): Printed[] {
  const found: Printed[] = [];
  node.forEachChild((child) => {
    found.push(...callsIn(child, checker));
  });
  if (!isCallExpression(node) || !isIdentifier(node.expression)) return found;
  const kind = printers[node.expression.text];
  const [name, value] = node.arguments;
  if (kind === undefined || name === undefined || value === undefined || !isStringLiteral(name)) return found;
  const type = checker.getTypeAtLocation(value);
  const own = kind === "rows" && type !== undefined ? checker.getTypeArguments(type as never)[0] : type;
  if (own === undefined) throw new Error(`the type of ${name.text} is unknown`);
  return [...found, { name: name.text, type: own }];
}

/** What JSON has of a type: properties that may be undefined are left out, and methods are. */
class SchemaMaker {
  readonly #checker: Checker;
  readonly #under: Type[] = [];

  constructor(checker: Checker) {
    this.#checker = checker;
  }

  of(type: Type): JsonSchema {
    const { flags } = type;
    if (type.isUnionType()) return this.#union(type.getTypes());
    if (flags & TypeFlags.AnyOrUnknown) return {};
    if (type.isLiteralType()) return { const: type.value };
    if (flags & TypeFlags.Null) return { type: "null" };
    if (flags & TypeFlags.StringLike) return { type: "string" };
    if (flags & TypeFlags.NumberLike) return { type: "number" };
    if (flags & TypeFlags.BooleanLike) return { type: "boolean" };
    if (flags & (TypeFlags.Object | TypeFlags.Intersection)) return this.#object(type);
    throw new Error(`JSON cannot have the type ${this.#checker.typeToString(type)}`);
  }

  #union(types: readonly Type[]): JsonSchema {
    const schemas = types.filter(isPrinted).map((type) => this.of(type));
    const isConst = (schema: JsonSchema) => "const" in schema;
    const values = schemas.filter(isConst).map((schema) => schema.const);
    const isBoolean = values.includes(true) && values.includes(false);
    const literals = values.filter((value) => !isBoolean || typeof value !== "boolean").sort();
    const others = [
      ...(isBoolean ? [{ type: "boolean" }] : []),
      ...(literals.length === 0 ? [] : [literals.length === 1 ? { const: literals[0] } : { enum: literals }]),
      ...schemas.filter((schema) => !isConst(schema)),
    ].sort(byText);
    const [only] = others;
    return others.length === 1 && only !== undefined ? only : { anyOf: others };
  }

  #object(type: Type): JsonSchema {
    if (this.#under.some(({ id }) => id === type.id))
      throw new Error(`${this.#checker.typeToString(type)} contains itself`);
    this.#under.push(type);
    try {
      const checker = this.#checker;
      if (checker.isArrayLikeType(type)) {
        const entries = checker.getTypeArguments(type as never);
        return { type: "array", items: this.#union(entries) };
      }
      const fields = checker
        .getPropertiesOfType(type)
        .flatMap((property) => this.#field(property))
        // As of unions, the compiler's own order may change with code that has nothing to do with the type.
        .sort((one, other) => (one.name < other.name ? -1 : 1));
      const [rest] = checker.getIndexInfosOfType(type);
      return {
        type: "object",
        ...(fields.length > 0 && {
          properties: Object.fromEntries(fields.map(({ name, schema }) => [name, schema])),
          required: fields.filter(({ required }) => required).map(({ name }) => name),
        }),
        additionalProperties: rest === undefined ? false : this.of(rest.valueType),
      };
    } finally {
      this.#under.pop();
    }
  }

  #field(
    property: TypeSymbol,
  ): { readonly name: string; readonly required: boolean; readonly schema: JsonSchema }[] {
    const type = this.#checker.getTypeOfSymbol(property);
    if (type === undefined || !isPrinted(type) || this.#isFunction(type)) return [];
    const parts = type.isUnionType() ? type.getTypes() : [type];
    if (!parts.some(isPrinted)) return [];
    // Of an unknown type, a value may be undefined.
    const isSure = parts.every((part) => isPrinted(part) && (part.flags & TypeFlags.AnyOrUnknown) === 0);
    const required = isSure && (property.flags & SymbolFlags.Optional) === 0;
    const description = property.getDocumentationComment(this.#checker).replaceAll(/\s+/g, " ");
    const schema = { ...(description !== "" && { description }), ...this.of(type) };
    return [{ name: property.name, required, schema }];
  }

  #isFunction(type: Type): boolean {
    return this.#checker.getSignaturesOfType(type, SignatureKind.Call).length > 0;
  }
}

/** The compiler's own order depends on which of the types it has met first. */
function byText(one: JsonSchema, other: JsonSchema): number {
  return JSON.stringify(one) < JSON.stringify(other) ? -1 : 1;
}

/** Whether JSON has values of the type. */
function isPrinted({ flags }: Type): boolean {
  return (flags & (TypeFlags.Undefined | TypeFlags.Never | TypeFlags.Void)) === 0;
}
