/** The JSON Schema of what `events --json` prints, from the schemas of the events. */
import { z } from "zod";
import { eventCatalogue } from "../../src/machines/events.ts";
import type { JsonSchema } from "./jsonSchema.ts";

export function eventSchema(): JsonSchema {
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
  return { title: "A line of events --json", ...made } as JsonSchema;
}
