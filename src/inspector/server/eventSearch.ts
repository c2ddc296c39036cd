/**
 * Searches the events of all tasks for words, newest first. Works in small steps, so that a long log does not
 * hold up other requests.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { maskEvent } from "../../history/replay/mask.ts";
import type { EventReader, StoredEvent } from "../../store/eventStore.ts";
import type { EventHit, EventHits } from "../views/answers.ts";
import { phraseOf } from "../views/phrase.ts";

export interface EventQuery {
  /** Separated by blanks. */
  readonly words: string;
  /** Empty for any type. */
  readonly type: string;
  /** {@link EventHits.next} of the previous answer; empty to begin. */
  readonly from: string;
}

/** Positions to read in one turn: a few milliseconds of work. */
const positionsPerTurn = 256;
/** An answer is sent after this many hits or this much time. The answer says where to continue. */
const maxHits = 100;
const maxMs = 300;

/** @param isWanted returns false once nobody waits for the answer */
export async function searchEvents(
  readers: readonly EventReader[],
  { words, type, from }: EventQuery,
  isWanted: () => boolean,
): Promise<EventHits> {
  const lowerWords = words.toLowerCase().split(/\s+/).filter(Boolean);
  const begun = performance.now();
  const hits: EventHit[] = [];
  let [log = 0, before = 0] = from === "" ? [] : from.split(":").map(Number);
  for (let reader = readers[log]; reader !== undefined; reader = readers[++log], before = 0) {
    const end = reader.lastPosition() + 1;
    before = before > 0 ? Math.min(before, end) : end;
    while (before > 1) {
      if (hits.length >= maxHits || performance.now() - begun > maxMs || !isWanted()) {
        return { hits, next: `${log}:${before}` };
      }
      const first = Math.max(1, before - positionsPerTurn);
      hits.push(...hitsBetween(reader, first, before, lowerWords, type).reverse());
      before = first;
      await nextTurn();
    }
  }
  return { hits, next: null };
}

function hitsBetween(
  reader: EventReader,
  first: number,
  end: number,
  words: readonly string[],
  type: string,
): EventHit[] {
  const hits: EventHit[] = [];
  for (const event of reader.readIntact(first)) {
    if (event.position >= end) break;
    if (type !== "" && event.type !== type) continue;
    const hit = hitIn(maskEvent(event), words);
    if (hit !== undefined) hits.push(hit);
  }
  return hits;
}

/** Searches the shown texts of an event, and its data in their masked form. */
function hitIn(event: StoredEvent, words: readonly string[]): EventHit | undefined {
  const { stream: id, seq, type, time, from, to, data } = event;
  const { title, text } = phraseOf(event);
  const searched = `${id} ${type} ${title} ${text} ${from} ${to} ${JSON.stringify(data)}`.toLowerCase();
  return words.every((word) => searched.includes(word)) ? { id, seq, type, time, title, text } : undefined;
}
