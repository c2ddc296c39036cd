/** Logs of tasks with given events, as the driver would have recorded them. */
import { EVENT_SCHEMA_VERSION, type TaskEvent } from "../../../src/machines/events.ts";
import { initialSnapshot, step } from "../../../src/machines/taskMachine.ts";
import { encodeRecord, NO_HASH, SALT_BYTES, sealData } from "../../../src/store/eventRecord.ts";
import type { EventReader, StoredEvent, StreamHead } from "../../../src/store/eventStore.ts";
import { type PlacedRecord, readerOf } from "../../../src/store/recordList.ts";
import type { UsageSample } from "../../../src/store/usage/usageSample.ts";

export class RecordedLog {
  /** A test may change these records before it reads the log. */
  readonly records: PlacedRecord[] = [];
  readonly heads: StreamHead[] = [];

  /** Adds a task. Omits events that the machine refuses, as the driver does. */
  add(stream: string, events: readonly TaskEvent[], schema = EVENT_SCHEMA_VERSION): this {
    let snapshot = initialSnapshot;
    let seq = 0;
    let hash = NO_HASH;
    for (const each of events) {
      const { snapshot: after, accepted, ...made } = step(snapshot, each);
      if (!accepted) continue;
      snapshot = after;
      seq += 1;
      const position = this.records.length + 1;
      const sealed = sealData(each.data, Buffer.alloc(SALT_BYTES, position));
      const record = encodeRecord(
        { ...each, ...made, schema },
        { stream, seq, position, previousHash: hash },
        sealed,
      );
      this.records.push({ stream, seq, position, bytes: Buffer.from(record.bytes) });
      hash = record.event.hash;
    }
    this.heads.push({ stream, version: seq, hash });
    return this;
  }

  /** @param usage samples of what tasks used, by their streams */
  reader(usage?: ReadonlyMap<string, readonly UsageSample[]>): EventReader {
    return readerOf(this.heads, this.records, usage);
  }

  events(stream: string): StoredEvent[] {
    return [...this.reader().readStream(stream)];
  }

  /** Changes one bit of a record's bytes. */
  flip(index: number, at: number, bit = 0): void {
    const bytes = this.records[index]?.bytes ?? Buffer.alloc(0);
    bytes[at % bytes.length] = (bytes[at % bytes.length] ?? 0) ^ (1 << bit);
  }
}
