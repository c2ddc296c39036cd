/**
 * Writes docs/schemas: JSON Schemas of what others read and write, and surfaces.json, the stable surfaces of the last
 * release. Until the next one, CHANGELOG.md names what is otherwise, and the record stays.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { version } from "../src/base/version.ts";
import { pluginSchema } from "../src/driver/options/pluginOptions.ts";
import { taskSchema } from "../src/effects/parts.ts";
import { eventSchema } from "./schemas/eventSchema.ts";
import type { JsonSchema } from "./schemas/jsonSchema.ts";
import { optionSchema } from "./schemas/optionSchema.ts";
import { outputSchema } from "./schemas/outputSchema.ts";
import { isRecordedAnew, type Recorded } from "./schemas/surfaceChanges.ts";
import { surfacesOf } from "./schemas/surfaces.ts";

/** By the surface that each describes. */
export function makeSchemas() {
  return {
    "options of jobs": optionSchema("The config block of a task with the driver exec2", taskSchema()),
    "options of the plugin": optionSchema('The config block of plugin "nomad-driver-exec2"', pluginSchema),
    events: eventSchema(),
    "JSON of verbs": outputSchema(),
  } as const satisfies Readonly<Record<string, JsonSchema>>;
}

/** Their files in docs/schemas. */
export const schemaFiles: Readonly<Record<keyof ReturnType<typeof makeSchemas>, string>> = {
  "options of jobs": "task.schema.json",
  "options of the plugin": "plugin.schema.json",
  events: "events.schema.json",
  "JSON of verbs": "json.schema.json",
};

const root = join(import.meta.dirname, "..");
export const schemaFolder = join(root, "docs/schemas");
const recordFile = join(schemaFolder, "surfaces.json");

export function recordedSurfaces(): Recorded {
  return JSON.parse(readFileSync(recordFile, "utf8"));
}

if (import.meta.main) {
  const schemas = makeSchemas();
  for (const [surface, file] of Object.entries(schemaFiles))
    write(join(schemaFolder, file), schemas[surface as keyof typeof schemas]);
  const changelog = readFileSync(join(root, "CHANGELOG.md"), "utf8");
  if (isRecordedAnew(changelog))
    write(recordFile, { version, surfaces: surfacesOf(schemas) } satisfies Recorded);
}

function write(file: string, value: unknown): void {
  writeFileSync(file, `${JSON.stringify(value, null, 2)}\n`);
}
