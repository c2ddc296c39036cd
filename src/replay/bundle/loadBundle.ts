/** Reads bundles. */
import { readFile } from "node:fs/promises";
import { DriverError } from "../../errors.ts";
import { isDefect, readRecord } from "../../store/eventRecord.ts";
import type { EventReader } from "../../store/eventStore.ts";
import { type PlacedRecord, readerOf } from "../../store/recordList.ts";
import { type BundleHeader, readHeader, recordOf } from "./bundleFormat.ts";

export interface Bundle {
  readonly header: BundleHeader;
  /** Reads the histories like a log, so that code for logs also works on bundles. */
  readonly reader: EventReader;
}

/**
 * Loads a bundle. Changed events are not found here, but when they are read or checked.
 * @throws DriverError `BUNDLE_INVALID` if the file cannot be read, is not a bundle, or is incomplete
 */
export async function loadBundle(path: string): Promise<Bundle> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (thrown) {
    throw DriverError.from(thrown, "BUNDLE_INVALID", "the bundle cannot be read");
  }
  return parseBundle(text, path);
}

/** @param path appears in errors only */
export function parseBundle(text: string, path: string): Bundle {
  const [first = "", ...lines] = text.split("\n");
  const header = readHeader(first);
  if (typeof header === "string") throw invalid(path, `it does not begin as a bundle does: ${header}`);
  const places = header.streams.flatMap(({ stream, version }) =>
    Array.from({ length: version }, (_, index) => ({ stream, seq: index + 1 })),
  );
  // Every line ends with a newline, the last one too.
  const unfinished = lines.pop();
  const next = places[lines.length];
  if (next !== undefined) throw invalid(path, `it ends before event ${next.seq} of ${next.stream} does`);
  if (unfinished !== "" || lines.length > places.length) {
    throw invalid(path, "something follows the last event that its header tells of");
  }
  const records: PlacedRecord[] = [];
  for (const [index, place] of places.entries()) {
    records.push(placed(place, lines[index] ?? "", records.at(-1)?.position ?? 0));
  }
  return { header, reader: readerOf(header.streams, records) };
}

/** Gives every line its place, even one that was changed or moved, so that reading finds the damage there. */
function placed(place: Pick<PlacedRecord, "stream" | "seq">, line: string, before: number): PlacedRecord {
  const bytes = recordOf(line) ?? Buffer.alloc(0);
  const read = readRecord(bytes);
  const inPlace = !isDefect(read) && read.event.stream === place.stream && read.event.seq === place.seq;
  return { ...place, position: inPlace ? read.event.position : before + 1, bytes };
}

function invalid(path: string, why: string): DriverError {
  return new DriverError("BUNDLE_INVALID", `${path} is not a whole bundle: ${why}`, {
    hint: "Export it again: nomad-driver-exec2 export TASK > bundle.jsonl",
  });
}
