/** Histories in which every name and text contains control characters. */
import { type EventType, parseTaskEvent, type TaskEvent } from "../../../src/machines/events.ts";
import { encodeRecord, sealData } from "../../../src/store/eventRecord.ts";
import { event } from "./history.ts";
import { RecordedLog } from "./recordedLog.ts";

/** A text that would begin a new line if a newline were printed. */
export const forged = "99forged";
/**
 * A newline, colours, terminal control sequences, a change of the text direction, and other line separators.
 */
export const hostile = `x\n${forged}\x1b[32m\x1b[2J\r\t\u009b2J\u202e\u2066\u200f\u2028\x07\x7f\u0085\u{e0041}y`;

/** Characters that no output may contain, except its own newlines. */
export const unwritable =
  /(?!\n)[\p{Cc}\p{Zl}\p{Zp}\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\u{e0000}-\u{e007f}]/u;

/** An event of the type, with the hostile text wherever the schema allows a text. */
export function hostileEvent(type: EventType): TaskEvent {
  const { time, data } = event(type);
  const taken = (changed: unknown) => {
    try {
      parseTaskEvent(type, time, changed);
      return true;
    } catch {
      return false;
    }
  };
  let changed: unknown = data;
  for (const path of pathsOfTexts(data)) {
    const attempt = withText(changed, path);
    if (taken(attempt)) changed = attempt;
  }
  return parseTaskEvent(type, time, changed);
}

const begun: EventType[] = ["requested", "fingerprinted", "sandboxed", "started"];
const hostileId = (number: number) => `${hostile}-${number}/${hostile}/0000000${number}`;

/** Tasks with every kind of life, and one with events that no version has written. */
export function hostileLog(): RecordedLog {
  const log = new RecordedLog();
  const commands: EventType[] = ["execStarted", "execExited", "execsRepeated"];
  const whileRunning: EventType[] = [...commands, "oomSeen", "signalled", "recovered"];
  const lives: EventType[][] = [
    [...begun, ...whileRunning, "stopRequested", "stopTimedOut", "forceKilled", "exited", "destroyed"],
    [...begun, "lost"],
    ["requested", "startFailed"],
    ["requested", "adopted"],
    begun,
  ];
  for (const [index, types] of lives.entries()) log.add(hostileId(index), types.map(hostileEvent));
  const stream = hostileId(lives.length);
  log.add(stream, [hostileEvent("requested")]);
  const [previous] = log.events(stream);
  const place = {
    stream,
    seq: 2,
    position: (previous?.position ?? 0) + 1,
    previousHash: previous?.hash ?? "",
  };
  const data = { [hostile]: hostile, list: [hostile] };
  const strange = { type: hostile, schema: 1, time: 0, data, from: hostile, to: hostile, effects: [hostile] };
  const { bytes, event: last } = encodeRecord(strange, place, sealData(data, Buffer.alloc(16)));
  log.records.push({ ...place, bytes: Buffer.from(bytes) });
  log.heads[lives.length] = { stream, version: 2, hash: last.hash };
  return log;
}

type Path = readonly (string | number)[];

function pathsOfTexts(value: unknown, path: Path = []): Path[] {
  if (typeof value === "string") return [path];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, each]) => pathsOfTexts(each, [...path, name]));
}

function withText(value: unknown, [first, ...rest]: Path): unknown {
  if (first === undefined) return hostile;
  const copy = Array.isArray(value) ? [...value] : { ...(value as object) };
  const fields = copy as Record<string | number, unknown>;
  fields[first] = withText(fields[first], rest);
  return copy;
}
