import { setImmediate as turn } from "node:timers/promises";
import { Subject } from "rxjs";
import { describe, expect, it } from "vitest";
import { encodeRecord, NO_HASH, SALT_BYTES, sealData } from "../../src/store/eventRecord.ts";
import { follow } from "../../src/store/follow.ts";
import { LogReader } from "../../src/store/logReader.ts";
import type { RecordTable, TakeRecord } from "../../src/store/recordTable.ts";
import { sampleEvent } from "../support/history/sampleEvents.ts";

/** The records of a log, read in batches of up to 10, with a count of the reads. */
class Records implements RecordTable {
  readonly commits = new Subject<void>();
  last = 0;
  reads = 0;

  commit(count = 1): void {
    this.last += count;
    this.commits.next();
  }

  follow() {
    return follow(new LogReader(this, () => []), this.commits);
  }

  recordsFrom<T>(from: number, take: TakeRecord<T>): T[] {
    this.reads += 1;
    const length = Math.max(0, Math.min(10, this.last - from + 1));
    return Array.from({ length }, (_, index) => take(recordAt(from + index), from + index));
  }

  lastPosition(): number {
    return this.last;
  }

  readonly head = () => undefined;
  readonly heads = () => [];
  readonly recordsOf = () => [];
  readonly lastPositions = () => [];
  readonly close = async () => {};
}

function recordAt(position: number): Buffer {
  const event = sampleEvent(position);
  const place = { stream: "s", seq: position, position, previousHash: NO_HASH };
  return Buffer.from(encodeRecord(event, place, sealData(event.data, Buffer.alloc(SALT_BYTES))).bytes);
}

const turns = async (count: number) => {
  for (let i = 0; i < count; i++) await turn();
};

describe("following", () => {
  it("reads nothing before a subscription, and then one batch in each turn of the event loop", async () => {
    const log = new Records();
    log.commit(35);
    const seen: number[] = [];
    const events = log.follow();
    await turns(2);
    expect(log.reads).toBe(0);
    events.subscribe(({ position }) => seen.push(position));
    expect(seen).toEqual([]);
    await turn();
    expect(seen).toHaveLength(10);
    await turns(10);
    expect(seen).toEqual(Array.from({ length: 35 }, (_, index) => index + 1));
  });

  it("reads nothing while there are no new events, however often it is woken", async () => {
    const log = new Records();
    log.follow().subscribe();
    await turns(5);
    expect(log.reads).toBe(1);
    for (let i = 0; i < 100; i++) log.commits.next();
    await turns(5);
    expect(log.reads).toBe(2);
  });

  it("reads on after a commit that comes while it hands events out", async () => {
    const log = new Records();
    log.commit(3);
    const seen: number[] = [];
    log.follow().subscribe(({ position }) => {
      seen.push(position);
      if (position <= 3) log.commit();
    });
    await turns(10);
    expect(seen).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it("misses no commit between the subscription and the first read", async () => {
    const log = new Records();
    const seen: number[] = [];
    log.follow().subscribe(({ position }) => seen.push(position));
    log.commit(2);
    await turns(3);
    expect(seen).toEqual([1, 2]);
  });

  it("releases everything when unsubscribed", async () => {
    const log = new Records();
    log.commit(30);
    const subscription = log.follow().subscribe();
    await turn();
    subscription.unsubscribe();
    expect(log.commits.observed).toBe(false);
    const { reads } = log;
    await turns(5);
    expect(log.reads).toBe(reads);
  });

  it("ends with an error if the log cannot be read, or commits cannot be observed", async () => {
    const broken = new Error("broken");
    const throwing = new Records();
    throwing.recordsFrom = () => {
      throw broken;
    };
    const errors: unknown[] = [];
    throwing.follow().subscribe({ error: (thrown) => errors.push(thrown) });
    const log = new Records();
    log.follow().subscribe({ error: (thrown) => errors.push(thrown) });
    log.commits.error(broken);
    await turns(2);
    expect(errors).toEqual([broken, broken]);
    expect(log.reads).toBe(0);
  });

  it("completes when the stream of commits completes", async () => {
    const log = new Records();
    let completed = false;
    log.follow().subscribe({
      complete: () => {
        completed = true;
      },
    });
    log.commits.complete();
    expect(completed).toBe(true);
  });
});
