/** The event log's bytes: its records, its pages, and bundles of other hosts. */
import { hash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bundleLines } from "../../../src/history/replay/bundle/exportBundle.ts";
import { parseBundle } from "../../../src/history/replay/bundle/loadBundle.ts";
import { checkLog } from "../../../src/history/replay/check/checkLog.ts";
import { History } from "../../../src/history/replay/history.ts";
import { maskEvent } from "../../../src/history/replay/mask.ts";
import { readHistory } from "../../../src/history/replay/storedHistory.ts";
import { explain } from "../../../src/history/why/explain.ts";
import { sequenceDiagram } from "../../../src/history/why/sequenceDiagram.ts";
import {
  DATA_HASH_AT,
  HASH_BYTES,
  HEADER_AT,
  isDefect,
  readRecord,
  SALT_BYTES,
} from "../../../src/store/eventRecord.ts";
import type { EventReader } from "../../../src/store/eventStore.ts";
import { logFiles } from "../../../src/store/folder/logFolders.ts";
import { FileTable } from "../../../src/store/lmdb/fileTable.ts";
import { openEventStore } from "../../../src/store/lmdb/lmdbEventStore.ts";
import { inspectLog } from "../../../src/store/lmdb/lmdbFile.ts";
import { findPageDefect } from "../../../src/store/lmdb/pageCheck.ts";
import { SnapshotReader } from "../../../src/store/lmdb/snapshotReader.ts";
import { LogReader } from "../../../src/store/logReader.ts";
import { usageIn } from "../../../src/store/usage/usageFile.ts";
import { allowing, allowingLater, type Target } from "../target.ts";

/** Input: the length of a header, the header, and data. The target adds valid hashes. */
export const records: Target = {
  fuzz: (bytes) => {
    readRecord(bytes);
    const length = Math.min(bytes[0] ?? 0, bytes.length);
    const record = sealed(bytes.subarray(1, 1 + length), bytes.subarray(1 + length));
    const read = readRecord(record);
    if (isDefect(read)) return;
    showAll("a/b/c", [read.event]);
  },
  seeds: async () => {
    const { life } = await import("../../support/history/history.ts");
    const { encodeRecord, NO_HASH, sealData } = await import("../../../src/store/eventRecord.ts");
    return life("killed").map((event, index) => {
      const place = { stream: "a/b/c", seq: 1, position: index + 1, previousHash: NO_HASH };
      const stored = { ...event, schema: 1, from: "new", to: "running", effects: ["launch"] };
      const { bytes } = encodeRecord(stored, place, sealData(event.data, Buffer.alloc(SALT_BYTES)));
      const record = Buffer.from(bytes);
      const header = record.subarray(HEADER_AT, HEADER_AT + record.readUInt32BE(1));
      const data = record.subarray(HEADER_AT + header.length + HASH_BYTES + SALT_BYTES);
      return Buffer.concat([Buffer.of(header.length), header, data]);
    });
  },
};

function sealed(header: Buffer, data: Buffer): Buffer {
  const salted = Buffer.concat([Buffer.alloc(SALT_BYTES), data]);
  const bytes = Buffer.alloc(HEADER_AT + header.length + HASH_BYTES);
  bytes[0] = 1;
  bytes.writeUInt32BE(header.length, 1);
  bytes.write(hash("sha256", salted, "hex"), DATA_HASH_AT, "hex");
  bytes.set(header, HEADER_AT);
  const hashAt = HEADER_AT + header.length;
  bytes.write(hash("sha256", bytes.subarray(0, hashAt), "hex"), hashAt, "hex");
  return Buffer.concat([bytes, salted]);
}

/** Shows a task's events as the program's verbs do, even if the events were forged. */
function showAll(stream: string, events: ConstructorParameters<typeof History>[1]): void {
  const history = new History(stream, events);
  for (const moment of history.moments(1)) JSON.stringify(moment.after);
  for (const event of events) JSON.stringify(maskEvent(event));
  allowing(["EVENT_INVALID"], () => JSON.stringify(explain(history)));
  allowing(["EVENT_INVALID"], () => sequenceDiagram(history));
}

/** A bundle's text. */
export const bundles: Target = {
  fuzz: (bytes) => {
    const bundle = allowing(["BUNDLE_INVALID"], () => parseBundle(bytes.toString(), "bundle"));
    if (bundle !== undefined) readAll(bundle.reader);
  },
  seeds: () => {
    const { reader } = parseBundle(
      readFileSync("test/fixtures/histories/adoptedAndOutOfMemory.jsonl", "utf8"),
      "seed",
    );
    const [head] = reader.streams();
    return head ? [`${[...bundleLines([{ head, reader }], { mask: true, now: 0 })].join("\n")}\n`] : [];
  },
};

function readAll(reader: EventReader): void {
  checkLog(reader);
  for (const { stream } of reader.streams()) {
    const events = allowing(["STORE_DAMAGED", "STORE_FAILED", "EVENT_INVALID"], () =>
      readHistory(reader, stream),
    );
    if (events !== undefined) showAll(stream, events);
  }
}

let recorded: Promise<Buffer> | undefined;

/** The file of a log with recorded histories. */
async function fileOfLog(): Promise<Buffer> {
  const folder = mkdtempSync(join(tmpdir(), "exec2-fuzz-"));
  try {
    const store = await openEventStore(folder);
    const { reader } = parseBundle(readFileSync("test/fixtures/histories/ends.jsonl", "utf8"), "ends");
    for (const { stream } of reader.streams()) await store.append(stream, 0, [...reader.readStream(stream)]);
    await store.close();
    return readFileSync(logFiles(folder).data);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Input: changes to a log's file, each with an offset (3 bytes), a length and as many bytes. */
export const pages: Target = {
  fuzz: async (bytes) => {
    recorded ??= fileOfLog();
    const data = Buffer.from(await recorded);
    for (let at = 0; at + 4 <= bytes.length; ) {
      const [place, length] = [bytes.readUIntLE(at, 3) % data.length, bytes[at + 3] ?? 0];
      data.set(bytes.subarray(at + 4, at + 4 + Math.min(length, data.length - place)), place);
      at += 4 + length;
    }
    await inLogFolder(data, async (folder, path) => {
      const codes = ["STORE_DAMAGED", "STORE_FAILED"] as const;
      await allowingLater(codes, () => findPageDefect(path));
      if (allowing(codes, () => inspectLog(folder, "boot")) === undefined) return;
      const file = new SnapshotReader(path);
      const log = new LogReader(new FileTable(file), usageIn(folder));
      try {
        allowing(codes, () => readAll(log));
      } finally {
        await log.close();
      }
    });
  },
  seeds: () => [
    Buffer.from("0000000000", "hex"),
    Buffer.from("9010000100", "hex"),
    Buffer.from("2820000107", "hex"),
    Buffer.from("1230000402000000", "hex"),
    Buffer.from("a000000801000000000000000200200000", "hex"),
  ],
};

async function inLogFolder(
  data: Buffer,
  action: (folder: string, path: string) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "exec2-fuzz-"));
  try {
    const path = join(folder, "data.mdb");
    writeFileSync(path, data);
    await action(folder, path);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
