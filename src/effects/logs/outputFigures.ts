/** How much a run has written to log files of the driver's own. */
import { closeSync, fstatSync } from "node:fs";
import { LogFiles, type LogPlace } from "./logFiles.ts";
import type { StreamRecord } from "./logger.ts";
import { readLogRecord } from "./loggerStart.ts";

export interface StreamFigures {
  /** Bytes in log files, whether the files still exist or not. */
  readonly bytes: number;
  /** Log files that the run has begun. */
  readonly files: number;
  /** Bytes that could not be written. */
  readonly lostBytes: number;
}

export type OutputFigures = Readonly<Record<"stdout" | "stderr", StreamFigures>>;

/**
 * Reads the logger's record. The logger does not write there for each piece of output, so the sizes of the
 * newest files are added.
 * @returns undefined if the run has no logger of the driver's, or the logger has recorded nothing yet
 */
export function readOutputFigures(
  recordFile: string,
  places: Readonly<Record<"stdout" | "stderr", LogPlace>>,
): OutputFigures | undefined {
  const record = readLogRecord(recordFile);
  if (record === undefined) return undefined;
  return {
    stdout: figuresOf(record.stdout, places.stdout),
    stderr: figuresOf(record.stderr, places.stderr),
  };
}

function figuresOf(stream: StreamRecord, place: LogPlace): StreamFigures {
  const { finishedBytes, beginBytes, endBytes, files, lostBytes } = stream;
  const size = stream.ended ? endBytes : Math.max(endBytes, sizeOf(place, stream.index));
  return { bytes: finishedBytes + Math.max(0, size - (beginBytes ?? size)), files, lostBytes };
}

function sizeOf(place: LogPlace, index: number): number {
  const folder = new LogFiles(place);
  try {
    const file = folder.open(index);
    if (file === undefined) return 0;
    try {
      return fstatSync(file).size;
    } finally {
      closeSync(file);
    }
  } finally {
    folder.close();
  }
}
