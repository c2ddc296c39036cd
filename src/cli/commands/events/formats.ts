/** The formats of `events`. */

export const eventsFormats = ["table", "json", "jsonl", "mermaid"] as const;
export type EventsFormat = (typeof eventsFormats)[number];

/** Why events to come cannot be shown in a format; undefined where they can. */
export const whyNotFollowed: Readonly<Record<EventsFormat, string | undefined>> = {
  table: undefined,
  json: "--follow goes on for ever, and a JSON list has an end; --format jsonl can be followed",
  jsonl: undefined,
  mermaid: "--follow goes on for ever, and a diagram is drawn of all events at once",
};
