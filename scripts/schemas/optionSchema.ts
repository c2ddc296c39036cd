/** JSON Schemas of options, as they stand in a job's `config` block and in the plugin's. */
import { z } from "zod";
import { deprecationOf } from "../../src/effects/options/deprecation.ts";
import { hclName } from "../../src/effects/options/hclOptions.ts";
import { saidOf } from "../generateConfiguration.ts";
import { dialect, type JsonSchema } from "./jsonSchema.ts";

/**
 * @param title of the whole schema
 * @param options their schema, with keys in camel case
 */
export function optionSchema(title: string, options: z.ZodObject): JsonSchema {
  const fields = Object.entries(options.shape).map(
    ([key, field]) => [hclName(key), fieldSchema(field as z.ZodType)] as const,
  );
  const required = Object.entries(options.shape).flatMap(([key, field]) =>
    field instanceof z.ZodOptional || field instanceof z.ZodDefault ? [] : [hclName(key)],
  );
  return {
    $schema: dialect,
    title,
    type: "object",
    properties: Object.fromEntries(fields),
    ...(required.length > 0 && { required }),
    additionalProperties: false,
  };
}

function fieldSchema(field: z.ZodType): JsonSchema {
  const {
    $schema: _,
    description: __,
    ...made
  } = z.toJSONSchema(field, {
    io: "input",
    unrepresentable: "any",
    override: ({ zodSchema, jsonSchema }) => {
      delete jsonSchema.example;
      delete jsonSchema.deprecation;
      // A size: a number of MiB, or a text with a unit.
      if (zodSchema._zod.def.type === "pipe") jsonSchema.type = ["integer", "string"];
      // HCL has a block once or several times, or a list of maps.
      if (zodSchema instanceof z.ZodArray && zodSchema.element instanceof z.ZodRecord) {
        const { items } = jsonSchema;
        for (const name of ["type", "items"]) delete jsonSchema[name];
        jsonSchema.anyOf = [items as z.core.JSONSchema.BaseSchema, { type: "array", items } as never];
      }
    },
  }) as JsonSchema;
  const { description, example } = saidOf(field);
  return {
    description,
    ...(deprecationOf(field) && { deprecated: true }),
    ...made,
    ...(example !== undefined && { examples: [example] }),
  } as JsonSchema;
}
