/** docs/schemas has what the code says, and no surface changes without its line in the changelog. */

import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { makeSchemas, recordedSurfaces, schemaFiles, schemaFolder } from "../../scripts/generateSchemas.ts";
import type { JsonSchema } from "../../scripts/schemas/jsonSchema.ts";
import {
  changesOf,
  isRecordedAnew,
  newestRelease,
  problemsWith,
} from "../../scripts/schemas/surfaceChanges.ts";
import { surfacesOf } from "../../scripts/schemas/surfaces.ts";
import { createProgram } from "../../src/cli/cli.ts";
import { outlineOf } from "../../src/cli/reference/outline.ts";
import { pluginSchema } from "../../src/driver/options/pluginOptions.ts";
import { hclName } from "../../src/effects/options/hclOptions.ts";
import { taskSchema } from "../../src/effects/parts.ts";
import { eventTypes } from "../../src/machines/events.ts";

const root = join(import.meta.dirname, "../..");
const changelog = readFileSync(join(root, "CHANGELOG.md"), "utf8");
let schemas: ReturnType<typeof makeSchemas>;
beforeAll(() => {
  schemas = makeSchemas();
});

it("the schemas are those of the code: npm run generate:schemas", () => {
  for (const [surface, file] of Object.entries(schemaFiles)) {
    const written = JSON.parse(readFileSync(join(schemaFolder, file), "utf8"));
    expect(written, file).toEqual(JSON.parse(JSON.stringify(schemas[surface as keyof typeof schemas])));
  }
});

it("the surfaces are those of the last release, but for what the changelog names: npm run generate:schemas", () => {
  const { version, surfaces } = recordedSurfaces();
  const now = surfacesOf(schemas);
  for (const [surface, names] of Object.entries(now))
    expect(Object.keys(names).length, surface).toBeGreaterThan(5);
  const changes = changesOf(surfaces, now);
  const release = newestRelease(changelog);
  if (release !== undefined) expect(version).toBe(release);
  // What is in no release yet may change without a word, and is recorded anew.
  if (isRecordedAnew(changelog)) expect(changes).toEqual([]);
  else expect(problemsWith(changes, { version }, changelog)).toEqual([]);
});

it("the schema of events has every type of event", () => {
  const types = schemas.events.anyOf?.map(({ properties }) => properties?.type?.const);
  expect(types).toEqual(eventTypes);
  for (const { required } of schemas.events.anyOf ?? [])
    expect(required).toEqual(expect.arrayContaining(["job", "task", "position", "data"]));
});

it("every verb with --json has a schema of what it prints", () => {
  const { verbs } = outlineOf(createProgram(() => {}));
  const printing = verbs.filter(({ options }) => options.some(({ long }) => long === "--json"));
  const described = Object.keys(schemas["JSON of verbs"].$defs ?? {}).map((name) => name.split(" ")[0]);
  // events has a schema of its own.
  expect([...new Set([...described, "events"])].sort()).toEqual(printing.map(({ name }) => name).sort());
  const others = globSync("src/cli/**/*.ts", { cwd: root }).filter((file) =>
    /print\w*\([^;]*(?:visibleJson|JSON\.stringify)\(/.test(readFileSync(join(root, file), "utf8")),
  );
  // replay's check has a part of its work done by further processes, which print for it.
  expect(others.sort()).toEqual([
    "src/cli/commands/events/showEvents.ts",
    "src/cli/commands/replay/checkTasks.ts",
  ]);
});

describe.each([
  ["options of jobs", taskSchema(), { command: "true" }],
  ["options of the plugin", pluginSchema, {}],
] as const)("the schema of the %s", (surface, options, least) => {
  const check = (value: object) =>
    z.fromJSONSchema(schemas[surface] as JsonSchema as z.core.JSONSchema.JSONSchema).safeParse(value).success;

  it("takes the example of every option, and neither another type nor another name", () => {
    expect(check(least)).toBe(true);
    expect(check({ ...least, unveill: ["/etc"] })).toBe(false);
    for (const key of Object.keys(options.shape)) {
      const name = hclName(key);
      const [example] = schemas[surface].properties?.[name]?.examples ?? [];
      expect(check({ ...least, [name]: example }), name).toBe(true);
      expect(check({ ...least, [name]: { no: { such: null } } }), name).toBe(false);
    }
  });
});
