/** The formats of `events`. */

export const eventsFormats = ["table", "json", "jsonl", "mermaid"] as const;
export type EventsFormat = (typeof eventsFormats)[number];

/** Why a format does not support `--follow`; undefined if it does. */
export const whyNotFollowed: Readonly<Record<EventsFormat, string | undefined>> = {
  table: undefined,
  json: "--follow never ends, but a JSON list does: use --format jsonl",
  jsonl: undefined,
  mermaid: "--follow never ends, but a diagram shows all events at once",
};
