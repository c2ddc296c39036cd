/**
 * The Go driver's part of an agent's task handle: a MessagePack map of `PID`, `StartedAt` and `TaskConfig`.
 * `TaskConfig` holds the task's environment, so the driver keeps no part of `TaskConfig`.
 */

import { Unpackr } from "msgpackr";
import { z } from "zod";
import type { TaskId } from "../../base/taskId.ts";
import type { GoDriverRun } from "../../effects/adoption/goDriverRun.ts";

const handleSchema = z.object({
  PID: z.int().positive(),
  /** Milliseconds since the epoch. */
  StartedAt: z.number().positive(),
  TaskConfig: z.object({ ID: z.string() }),
});

/** @returns undefined for bytes that the Go driver did not write, or wrote for another task */
export function decodeGoDriverHandle(bytes: Uint8Array, taskId: TaskId): GoDriverRun | undefined {
  const { success, data } = handleSchema.safeParse(fieldsOf(bytes));
  if (!success || data.TaskConfig.ID !== taskId) return undefined;
  return { pid: data.PID, startedAt: data.StartedAt };
}

const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true });

/**
 * The map's fields. The Go driver marks the start time as text, although the time is binary. So `timeOf`
 * decodes its bytes.
 */
function fieldsOf(bytes: Uint8Array): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  const size = mapHeaderBytes(bytes);
  if (size === 0) return fields;
  const entries = bytes.subarray(size);
  let name: unknown;
  try {
    unpackr.unpackMultiple(entries, (value, start = 0, end = 0) => {
      if (name === undefined) {
        name = value;
        return;
      }
      fields[String(name)] = name === "StartedAt" ? timeOf(value, entries.subarray(start, end)) : value;
      name = undefined;
    });
  } catch {
    // Truncated, or not MessagePack: the schema rejects the missing fields.
  }
  return fields;
}

/** Size of the map's header; 0 if the bytes are not a map. */
function mapHeaderBytes([first = 0]: Uint8Array): number {
  if (first >= 0x80 && first <= 0x8f) return 1;
  return first === 0xde ? 3 : first === 0xdf ? 5 : 0;
}

/**
 * Decodes a time in Go's binary form: a version, seconds since the year 1, nanoseconds, and
 * a time zone, which is ignored. The header of a MessagePack string or binary precedes it.
 * Also takes MessagePack's own timestamp.
 * @returns milliseconds since the epoch
 */
function timeOf(value: unknown, encoded: Uint8Array): number | undefined {
  if (value instanceof Date) return value.getTime();
  const zoneBytesOfVersion = { 1: 2, 2: 3 };
  for (const [version, zoneBytes] of Object.entries(zoneBytesOfVersion)) {
    const length = 1 + 8 + 4 + zoneBytes;
    const view = new DataView(encoded.buffer, encoded.byteOffset, encoded.byteLength);
    const at = encoded.byteLength - length;
    if (at < 1 || at > 2 || view.getUint8(at) !== Number(version)) continue;
    const seconds = Number(view.getBigInt64(at + 1)) - YEAR_1_TO_1970;
    return seconds * 1000 + Math.floor(view.getInt32(at + 9) / 1e6);
  }
  return undefined;
}

/** Seconds from the beginning of the year 1 to the Unix epoch. */
const YEAR_1_TO_1970 = 62_135_596_800;
