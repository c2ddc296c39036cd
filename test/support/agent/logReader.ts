/**
 * Reads a task's log files as a Nomad client does for `alloc logs` and its web page: by name alone, whoever has
 * written them.
 */
import { closeSync, fstatSync, openSync, readdirSync, readSync, statSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

/** Milliseconds between a client's looks at the file it reads, and at the folder. */
const changePollMs = 250;
const nextPollMs = 100;
const frameBytes = 64 * 1024;

export interface LogQuery {
  /** `alloc/logs`. */
  readonly folder: string;
  readonly task: string;
  readonly stream: "stdout" | "stderr";
}

interface Entry {
  readonly index: number;
  readonly size: number;
}

/**
 * @throws Error if a name with the prefix has no number, as the client fails then
 */
function entriesOf({ folder, task, stream }: LogQuery): Entry[] {
  const prefix = `${task}.${stream}.`;
  const entries = readdirSync(folder).flatMap((name) => {
    if (!name.startsWith(prefix)) return [];
    const number = name.slice(prefix.length);
    if (!/^\d+$/.test(number)) throw new Error(`failed to convert ${JSON.stringify(number)} to a log index`);
    const status = statSync(`${folder}/${name}`, { throwIfNoEntry: false });
    return status === undefined ? [] : [{ index: Number(number), size: status.size }];
  });
  return entries.sort((a, b) => a.index - b.index);
}

/** `alloc logs`: everything from the first file on. */
export function readLog(query: LogQuery): Buffer {
  return Buffer.concat(
    entriesOf(query).map(({ index }) => {
      const file = openSync(pathOf(query, index), "r");
      try {
        return readFrom(file, 0);
      } finally {
        closeSync(file);
      }
    }),
  );
}

/** `alloc logs -tail -c BYTES`: sizes are added up from the newest file backwards. */
export function readLogTail(query: LogQuery, bytes: number): Buffer {
  const whole: Buffer[] = [];
  let room = bytes;
  for (const { index, size } of entriesOf(query).reverse()) {
    const file = openSync(pathOf(query, index), "r");
    try {
      whole.unshift(readFrom(file, Math.max(0, size - room)));
    } finally {
      closeSync(file);
    }
    room -= size;
    if (room <= 0) break;
  }
  return Buffer.concat(whole);
}

/**
 * `alloc logs -f`: yields what is written, from the first file on. It misses what is written to a file after a
 * reader has gone to the next one, and shows a file again that has become shorter.
 * @param over ends the reader at the next end of a file
 */
export async function* followLog(query: LogQuery, over: AbortSignal): AsyncGenerator<Buffer> {
  for (let next = 0; ; ) {
    const entry = entriesOf(query).find(({ index }) => index >= next);
    if (entry === undefined) {
      if (over.aborted) return;
      await delay(nextPollMs);
      continue;
    }
    yield* followFile(query, entry.index, over);
    next = entry.index + 1;
    if (over.aborted && entriesOf(query).every(({ index }) => index < next)) return;
  }
}

async function* followFile(query: LogQuery, index: number, over: AbortSignal): AsyncGenerator<Buffer> {
  const path = pathOf(query, index);
  const file = openSync(path, "r");
  try {
    let offset = 0;
    let isLast = false;
    for (;;) {
      for (let bytes = readFrom(file, offset, frameBytes); bytes.length > 0; ) {
        yield bytes;
        offset += bytes.length;
        bytes = readFrom(file, offset, frameBytes);
      }
      if (isLast) return;
      const seen = fstatSync(file);
      for (let waited = 0; ; waited += nextPollMs) {
        if (over.aborted || entriesOf(query).some((each) => each.index > index)) {
          isLast = true;
          break;
        }
        await delay(nextPollMs);
        if (waited + nextPollMs < changePollMs) continue;
        waited = 0;
        const now = statSync(path, { throwIfNoEntry: false });
        if (now === undefined) return;
        if (now.size < offset) offset = 0;
        if (now.size !== seen.size || now.mtimeMs !== seen.mtimeMs) break;
      }
    }
  } finally {
    closeSync(file);
  }
}

function pathOf({ folder, task, stream }: LogQuery, index: number): string {
  return `${folder}/${task}.${stream}.${index}`;
}

function readFrom(file: number, offset: number, maxBytes = Number.POSITIVE_INFINITY): Buffer {
  const bytes = Buffer.alloc(Math.min(maxBytes, Math.max(0, fstatSync(file).size - offset)));
  return bytes.subarray(0, readSync(file, bytes, 0, bytes.length, offset));
}
