/**
 * The stable surfaces (docs/compatibility.md), as the code has them: of each, the names that others rely on, and what
 * each means in a few words. A change of these words is a change for somebody.
 */
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fromBinary } from "@bufbuild/protobuf";
import {
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  FileDescriptorProtoSchema,
} from "@bufbuild/protobuf/wkt";
import { errorCodes, isErrorCode } from "../../src/base/errors.ts";
import { createProgram } from "../../src/cli/cli.ts";
import { argumentText, type OptionOutline, outlineOf } from "../../src/cli/reference/outline.ts";
import { nodeOffers } from "../../src/driver/node/nodeParts.ts";
import { parsePluginOptions } from "../../src/driver/options/pluginOptions.ts";
import type { HostFacts } from "../../src/effects/host/hostFacts.ts";
import { fingerprintAttributes } from "../../src/effects/host/hostHealth.ts";
import { files } from "../../src/grpc/generated/descriptors.ts";
import { stateEntries } from "../../src/store/folder/stateEntries.ts";
import type { JsonSchema } from "./jsonSchema.ts";

const root = join(import.meta.dirname, "../..");

/** Words on each name. */
export type Surface = Readonly<Record<string, string>>;
export type Surfaces = Readonly<Record<string, Surface>>;

/** @param schemas the files of docs/schemas, by the surface that they describe */
export function surfacesOf(schemas: Readonly<Record<string, JsonSchema>>): Surfaces {
  const described = Object.entries(schemas).map(([name, schema]) => [name, fieldsOf(schema)] as const);
  return {
    ...Object.fromEntries(described),
    "attributes of a node": attributes(),
    "error codes": Object.fromEntries(errorCodes.map((code) => [code, ""])),
    "gRPC messages": messages(),
    "log lines": logLines(),
    metrics: metricNames(),
    "state folder": Object.fromEntries(stateEntries.map((entry) => [entry, ""])),
    "verbs and flags": verbs(),
    "exit codes": exitCodes(),
  };
}

/** The fields that a schema describes, each by its path: `why.sentences[].text`, `run.event=ended.reason`. */
function fieldsOf(schema: JsonSchema): Surface {
  const isMany = schema.type === undefined && schema.anyOf === undefined;
  const roots = isMany ? Object.entries(schema.$defs ?? {}) : [["", schema] as const];
  return Object.fromEntries(roots.flatMap(([name, each]) => fieldsBelow(each, name, true)));
}

function fieldsBelow(schema: JsonSchema, path: string, required: boolean): [string, string][] {
  const { anyOf = [], properties, items, additionalProperties: rest, required: names = [] } = schema;
  const own: [string, string][] = path === "" ? [] : [[path, wordsOn(schema, required)]];
  const below = (name: string) => (path === "" ? name : `${path}.${name}`);
  return [
    ...own,
    ...anyOf.flatMap((each) => {
      const tag = anyOf.filter((other) => other.properties).length > 1 ? tagOf(each) : undefined;
      const inner = fieldsBelow(each, tag === undefined ? path : below(tag), true);
      return inner.filter(([name]) => name !== path);
    }),
    ...Object.entries(properties ?? {}).flatMap(([name, each]) =>
      fieldsBelow(each, below(name), names.includes(name)),
    ),
    ...(items === undefined ? [] : fieldsBelow(items, `${path}[]`, true).slice(1)),
    ...(typeof rest === "object" ? fieldsBelow(rest, below("*"), true).slice(1) : []),
  ];
}

/** What tells this kind of object from others: `event=ended`. */
function tagOf({ properties = {} }: JsonSchema): string | undefined {
  const fields = Object.entries(properties);
  const [name, tag] =
    fields.find(([, each]) => typeof each.const === "string") ??
    fields.find(([, each]) => each.enum !== undefined) ??
    [];
  return tag && `${name}=${tag.const ?? tag.enum?.join("|")}`;
}

function wordsOn(schema: JsonSchema, required: boolean): string {
  const absent =
    schema.default === undefined ? "may be missing" : `default ${JSON.stringify(schema.default)}`;
  const [gone] = /^deprecated since [\d.]+/.exec(schema.description ?? "") ?? [];
  return [typeText(schema), ...(required ? [] : [absent]), ...(gone === undefined ? [] : [gone])].join(", ");
}

function typeText(schema: JsonSchema): string {
  const { type, enum: values, anyOf, items, additionalProperties: rest } = schema;
  if ("const" in schema) return JSON.stringify(schema.const);
  if (values !== undefined) return enumText(values);
  if (anyOf !== undefined) return [...new Set(anyOf.map(typeText))].join(" or ");
  if (items !== undefined) return `list of ${typeText(items)}`;
  if (type === "object" && typeof rest === "object") return `map of ${typeText(rest)}`;
  return type === undefined ? "anything" : [type].flat().join(" or ");
}

function enumText(values: readonly unknown[]): string {
  const all = values.every((value) => typeof value === "string" && isErrorCode(value));
  return all ? "an error code" : values.map((value) => JSON.stringify(value)).join(" or ");
}

/** Of a host that has all, and of one that has nothing. */
function attributes(): Surface {
  const options = parsePluginOptions({ black_box: "on" });
  const found = ["", "none"].map((problem) =>
    fingerprintAttributes(
      bestHost,
      options,
      "",
      nodeOffers.map((offer) => ({ offer, finding: problem === "" ? { places: [""] } : { problem } })),
    ),
  );
  const kinds = found
    .flatMap((each) => Object.entries(each))
    .map(([name, value]) => [name, typeof value] as const);
  return Object.fromEntries(kinds);
}

const bestHost: HostFacts = {
  ...{ kernel: "", arch: "x64", bootId: "", root: true, landlockAbi: 1, missingCalls: [], cgroupMount: "/" },
  ...{ cgroupControllers: [], cgroupDelegated: [], ioWeights: true, psi: true, memfdExecution: true },
  ...{ seccomp: true, namespaces: { pid: true, mount: true, ipc: true } },
  ...{ cores: 1, mhzPerCore: 1, mhzKnown: true },
};

function messages(): Surface {
  const described = files.map(({ bytes }) =>
    fromBinary(FileDescriptorProtoSchema, Buffer.from(bytes, "base64")),
  );
  return Object.fromEntries(
    described
      .filter((file) => !file.package.startsWith("google."))
      .flatMap((file) => [
        ...file.service.flatMap(({ name, method }) =>
          method.map((each): [string, string] => [
            `${file.package}.${name}/${each.name}`,
            `${stream(each.clientStreaming)}${each.inputType} to ${stream(each.serverStreaming)}${each.outputType}`,
          ]),
        ),
        ...file.messageType.flatMap(({ name, field }) =>
          field.map((each): [string, string] => {
            const type = each.typeName || FieldDescriptorProto_Type[each.type].toLowerCase();
            const isList = each.label === FieldDescriptorProto_Label.REPEATED;
            return [
              `${file.package}.${name}.${each.name}`,
              `${each.number}: ${isList ? "list of " : ""}${type}`,
            ];
          }),
        ),
      ]),
  );
}

function stream(isStream: boolean): string {
  return isStream ? "stream " : "";
}

/** Calls of the plugin's logger, each from the level to the end of the message. */
export function loggedLines(): readonly { file: string; level: string; message: string }[] {
  return globSync("src/{driver,effects,grpc,store}/**/*.ts", { cwd: root }).flatMap((file) => {
    const source = readFileSync(join(root, file), "utf8");
    const found = source.matchAll(/\blog\s*\.(error|warn|info|debug|trace)\(\s*("[^"]*"|.{20})/gs);
    return [...found].map(([, level = "", message = ""]) => ({ file, level, message }));
  });
}

function logLines(): Surface {
  const lines = loggedLines().filter(({ level }) => level !== "trace");
  return Object.fromEntries(lines.map(({ level, message }) => [message.slice(1, -1), level]));
}

function metricNames(): Surface {
  const names = globSync("src/{driver,history,inspector,machines}/**/*.ts", { cwd: root }).flatMap((file) =>
    [...readFileSync(join(root, file), "utf8").matchAll(/"((?:exec2|process)_[a-z_]+)"/g)].map(
      ([, name]) => name,
    ),
  );
  return Object.fromEntries([...new Set(names)].map((name) => [name, ""]));
}

function verbs(): Surface {
  const { options, verbs } = outlineOf(createProgram(() => {}));
  const flags = (verb: string, all: readonly OptionOutline[]) =>
    all.map((option): [string, string] => [`${verb} ${option.long}`.trim(), flagText(option)]);
  return Object.fromEntries([
    ...flags("", options),
    ...verbs.flatMap(({ name, arguments: taken, options: own }) => [
      [name, taken.map(argumentText).join(" ")] as const,
      ...flags(name, own),
    ]),
  ]);
}

function flagText({ short, value, choices, defaultValue }: OptionOutline): string {
  return [
    short,
    value && `<${value}>`,
    value !== "signal" && choices.length > 0 ? choices.join(" or ") : undefined,
    defaultValue && `default ${defaultValue}`,
  ]
    .filter(Boolean)
    .join(", ");
}

/** What the help of verbs says of them. */
function exitCodes(): Surface {
  const { verbs } = outlineOf(createProgram(() => {}));
  return Object.fromEntries(
    verbs.flatMap(({ name, more }) => {
      const [text] = /Exit codes.*?(?=\n\n|$)/s.exec(more) ?? [];
      return text === undefined ? [] : [[name, text.replaceAll(/\s+/g, " ")]];
    }),
  );
}
