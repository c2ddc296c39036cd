/**
 * The data of each type of event, what a comparison skips of it, and what is masked, stay the same. To accept
 * a change that is meant: `npx vitest run test/machines/eventSchemas.test.ts -u`.
 */
import { join } from "node:path";
import { expect, test } from "vitest";
import { z } from "zod";
import { EVENT_SCHEMA_VERSION, eventCatalogue } from "../../src/machines/events.ts";

test("the events have the recorded schemas", async () => {
  const types = Object.entries(eventCatalogue).map(([type, { schema, fields }]) => {
    const { $schema: _, ...properties } = z.toJSONSchema(schema);
    return [type, { schema: properties, ignored: fields.ignored.toSorted(), masked: fields.masked }] as const;
  });
  const recorded = { version: EVENT_SCHEMA_VERSION, types: sorted(Object.fromEntries(types)) };
  await expect(`${JSON.stringify(recorded, undefined, 1)}\n`).toMatchFileSnapshot(
    join(import.meta.dirname, "../fixtures/eventSchemas.txt"),
  );
});

/** Sorts keys and lists of names, because the order of fields means nothing. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.every((each) => typeof each === "string") ? value.toSorted() : value.map(sorted);
  }
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([key, each]) => [key, sorted(each)] as const);
  return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
