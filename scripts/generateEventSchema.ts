/** Writes docs/events.schema.json, the JSON Schema of what `events --json` prints, from the schemas of the events. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { eventCatalogue } from "../src/machines/events.ts";

/** The text of the file. */
export function eventSchemaText(): string {
  const kinds = Object.entries(eventCatalogue).map(([type, { schema }]) =>
    z.object({
      job: z.string().nullable().describe("id of the job; null if it is unknown"),
      task: z.string().describe("name of the task"),
      stream: z.string().describe("id of the task: <allocation>/<task>/<run>"),
      seq: z.int().positive().describe("number of the event in its stream, from 1"),
      position: z.int().positive().describe("place of the event in the log, for --after"),
      type: z.literal(type),
      schema: z.int().positive().describe("version of the schemas that the event was written with"),
      time: z.number().describe("milliseconds since the epoch"),
      data: schema,
      from: z.string().describe("state of the task before the event"),
      to: z.string().describe("state of the task after the event"),
      effects: z.array(z.string()).describe("what the driver then had to do"),
      hash: z.string().describe("SHA-256 of the event, which the next event of the stream repeats"),
    }),
  );
  const made = z.toJSONSchema(z.union(kinds), { io: "input", unrepresentable: "any" });
  return `${JSON.stringify({ title: "An event of nomad-driver-exec2", ...made }, null, 2)}\n`;
}

if (import.meta.main) {
  writeFileSync(join(import.meta.dirname, "../docs/events.schema.json"), eventSchemaText());
}
