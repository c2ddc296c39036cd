/** Reads bundles. */
import { readFile } from "node:fs/promises";
import { DriverError } from "../../../base/errors.ts";
import { isDefect, readRecord } from "../../../store/eventRecord.ts";
import type { EventReader } from "../../../store/eventStore.ts";
import { type PlacedRecord, readerOf } from "../../../store/recordList.ts";
import type { UsageSample } from "../../../store/usage/usageSample.ts";
import {
  type BundleHeader,
  damagedLine,
  readHeader,
  recordOf,
  samplesIn,
  signatureIn,
} from "./bundleFormat.ts";

/**
 * Length of the shortest possible line. Together with the file's size, it limits the number of events that a
 * header can claim.
 */
const MIN_LINE_LENGTH = damagedLine.length;

export interface Bundle {
  readonly header: BundleHeader;
  /** Reads the histories as from a log, so that code for logs works on bundles, too. */
  readonly reader: EventReader;
}

/**
 * Loads a bundle. A changed event is detected only when it is read or checked.
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
  const parsing = parsed(text, path);
  for (;;) {
    const step = parsing.next();
    if (step.done) return step.value;
  }
}

/** Like {@link parseBundle}, but gives other work a turn now and then. */
export async function parseBundleInTurns(
  text: string,
  path: string,
  turn: () => Promise<void>,
): Promise<Bundle> {
  const parsing = parsed(text, path);
  for (;;) {
    const step = parsing.next();
    if (step.done) return step.value;
    await turn();
  }
}

/** Events to parse in one turn: a few milliseconds of work. */
const EVENTS_A_TURN = 500;

/** Parses a bundle. Yields between parts of the work. */
function* parsed(text: string, path: string): Generator<void, Bundle> {
  const firstEnd = text.indexOf("\n");
  const header = readHeader(firstEnd === -1 ? text : text.slice(0, firstEnd));
  if (typeof header === "string") throw invalid(path, `it has no bundle header: ${header}`);
  const lines = linesAfter(header, firstEnd === -1 ? "" : text.slice(firstEnd + 1), path);
  const records: PlacedRecord[] = [];
  const usage = new Map<string, readonly UsageSample[]>();
  const damage: string[] = [];
  let next = 0;
  for (const { stream, version } of header.streams) {
    for (let seq = 1; seq <= version; seq++) {
      records.push(placed({ stream, seq }, lines[next++] ?? "", records.at(-1)?.position ?? 0));
      if (records.length % EVENTS_A_TURN === 0) yield;
    }
    const samples = samplesIn(lines[next++] ?? "", stream);
    if (samples === undefined) damage.push(`the usage samples of ${stream} were changed`);
    else if (samples.length > 0) usage.set(stream, samples);
  }
  const reader = readerOf(header.streams, records, usage);
  for (const each of damage) reader.noteDamage(each);
  return { header, reader };
}

/**
 * Splits the lines after the header. Every line, including the last one, ends with a newline.
 * @throws DriverError `BUNDLE_INVALID` if the number of lines differs from the header's. So a header cannot
 *   claim memory for events that the file does not have.
 */
function linesAfter(header: BundleHeader, text: string, path: string): string[] {
  const events = header.streams.reduce((sum, { version }) => sum + version, 0);
  const expected = header.streams.reduce((sum, stream) => sum + linesOf(stream), 0);
  if (text.length < expected * MIN_LINE_LENGTH) {
    throw invalid(path, `it is too short for the ${events} events that its header announces`);
  }
  const lines = text.split("\n", expected + 3);
  const unfinished = lines.pop();
  if (lines.length === expected + 1 && signatureIn(lines.at(-1) ?? "") !== undefined) lines.pop();
  if (lines.length < expected)
    throw invalid(path, `it ends before the end of ${lineName(lines.length, header)}`);
  if (unfinished !== "" || lines.length > expected) {
    throw invalid(path, "there is text after the last line that its header announces");
  }
  return lines;
}

/** The number of lines of a stream: its events and its usage samples. */
function linesOf({ version }: BundleHeader["streams"][number]): number {
  return version + 1;
}

/** Describes the content of a line. @param index from 0, the first line after the header */
function lineName(index: number, header: BundleHeader): string {
  let before = 0;
  for (const each of header.streams) {
    const { stream, version } = each;
    if (index < before + version) return `event ${index - before + 1} of ${stream}`;
    before += linesOf(each);
    if (index < before) return `the usage samples of ${stream}`;
  }
  throw new RangeError(`no line ${index} among ${before}`);
}

/**
 * Makes a record with its place. Even a line that was changed or moved gets the expected place, so that a
 * reader finds the damage at that place.
 */
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
