/** The formats of `events`. */

export const eventsFormats = ["table", "json", "jsonl", "mermaid"] as const;
export type EventsFormat = (typeof eventsFormats)[number];

/** Why a format does not support `--follow`; undefined if it does. */
export const whyNotFollowed: Readonly<Record<EventsFormat, string | undefined>> = {
  table: undefined,
  json: "--follow goes on for ever, and a JSON list has an end; --format jsonl can be followed",
  jsonl: undefined,
  mermaid: "--follow goes on for ever, and a diagram is drawn of all events at once",
};
