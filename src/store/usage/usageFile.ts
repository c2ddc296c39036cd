/**
 * The file with the samples of one task, in the folder of the event log that has the task's history. Its size
 * is bounded: when it is full, older samples are thinned out. Every record has a checksum, which reveals a
 * record that a dying plugin wrote only in part.
 */
import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { type TaskId, toTaskId } from "../../base/taskId.ts";
import { replaceFile } from "../folder/files.ts";
import { runFolderName } from "../folder/stateFolder.ts";
import {
  decodeSamples,
  encodeSample,
  maxSamples,
  recordBytes,
  thinned,
  type UsageSample,
} from "./usageSample.ts";

/** Identifies the format. Files of other formats are not read. */
const magic = Buffer.from("exec2 usage 2\n\0\0", "latin1");

/** The number of samples that are left in a full file after thinning out. */
const keptSamples = 160;

/**
 * Adds a sample. The writes are synchronous: they put a hundred bytes into the page cache, and libuv's
 * threads would cost several times as much.
 * @param log the folder of the event log
 * @throws NodeJS.ErrnoException
 */
export function appendUsage(log: string, taskId: TaskId, sample: UsageSample): void {
  const path = usagePath(log, taskId);
  const size = sizeOf(path);
  // A record that was written in part is overwritten.
  const count = size < magic.length ? 0 : Math.floor((size - magic.length) / recordBytes);
  if (count === 0) begin(path, sample);
  else if (count >= maxSamples) replace(path, [...thinned(readUsage(log, taskId), keptSamples), sample]);
  else write(path, sample, magic.length + count * recordBytes);
}

/** A task's readable samples, in chronological order. */
export function readUsage(log: string, taskId: TaskId): UsageSample[] {
  let bytes: Buffer;
  try {
    bytes = readFileSync(usagePath(log, taskId));
  } catch {
    return [];
  }
  if (!bytes.subarray(0, magic.length).equals(magic)) return [];
  const samples = decodeSamples(bytes.subarray(magic.length, magic.length + maxSamples * recordBytes));
  // The host's clock may have been set back.
  return samples.sort((a, b) => a.time - b.time);
}

/** Returns a function that reads the samples of a stream of the log. */
export function usageIn(log: string): (stream: string) => UsageSample[] {
  return (stream) => readUsage(log, toTaskId(stream));
}

/** Removes a task's samples, if there are any. @throws NodeJS.ErrnoException */
export function removeUsage(log: string, taskId: TaskId): void {
  rmSync(usagePath(log, taskId), { force: true });
}

function usagePath(log: string, taskId: TaskId): string {
  return join(usageFolder(log), runFolderName(taskId));
}

function usageFolder(log: string): string {
  return join(log, "usage");
}

function begin(path: string, sample: UsageSample): void {
  mkdirSync(join(path, ".."), { recursive: true, mode: 0o700 });
  writeFileSync(path, fileOf([sample]), { mode: 0o600 });
}

function replace(path: string, samples: readonly UsageSample[]): void {
  replaceFile(path, (unfinished) => writeFileSync(unfinished, fileOf(samples), { mode: 0o600 }));
}

function write(path: string, sample: UsageSample, position: number): void {
  const file = openSync(path, "r+");
  try {
    writeSync(file, encodeSample(sample), 0, recordBytes, position);
  } finally {
    closeSync(file);
  }
}

function fileOf(samples: readonly UsageSample[]): Buffer {
  return Buffer.concat([magic, ...samples.map(encodeSample)]);
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
