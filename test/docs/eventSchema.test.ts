/** docs/events.schema.json describes every event, and is up to date. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { eventSchemaText } from "../../scripts/generateEventSchema.ts";
import { eventTypes } from "../../src/machines/events.ts";

it("the schema of events is that of the catalogue: npm run generate", () => {
  const text = readFileSync(join(import.meta.dirname, "../../docs/events.schema.json"), "utf8");
  expect(JSON.parse(text)).toEqual(JSON.parse(eventSchemaText()));
  const { anyOf } = JSON.parse(text) as {
    anyOf: { properties: { type: { const: string } }; required: string[] }[];
  };
  expect(anyOf.map(({ properties }) => properties.type.const)).toEqual(eventTypes);
  for (const { required } of anyOf)
    expect(required).toEqual(expect.arrayContaining(["job", "task", "position", "data"]));
});
