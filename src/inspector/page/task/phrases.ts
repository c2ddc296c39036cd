/** The texts of visible steps, which are fetched when the steps become visible. */
import { useEffect, useMemo, useState } from "preact/hooks";
import type { Phrase } from "../../views/story.ts";

/** Number of steps whose texts are fetched together. */
const ofChunk = 100;
/** Maximum number of chunks to keep. Beyond it, texts of invisible steps are dropped. */
const maxChunks = 50;

/**
 * @param query names the task to the API
 * @param wanted numbers of the visible steps
 * @param count number of all steps
 * @returns a step's texts; undefined until they are loaded
 */
export function usePhrases(
  query: string,
  wanted: ReadonlySet<number>,
  count: number,
): (seq: number) => Phrase | undefined {
  const [, draw] = useState(0);
  const phrases = useMemo(() => new Phrases(query, () => draw((before) => before + 1)), [query]);
  useEffect(() => phrases.want(wanted, count));
  useEffect(() => () => phrases.close(), [phrases]);
  return (seq) => phrases.of(seq);
}

class Phrases {
  readonly #query: string;
  readonly #onMore: () => void;
  readonly #closing = new AbortController();
  readonly #chunks = new Map<number, readonly Phrase[]>();
  /** The chunks to fetch. Chunks that are no longer visible are not fetched. */
  #missing: readonly number[] = [];
  #fetching = false;

  constructor(query: string, onMore: () => void) {
    this.#query = query;
    this.#onMore = onMore;
  }

  of(seq: number): Phrase | undefined {
    return this.#chunks.get(chunkOf(seq))?.[(seq - 1) % ofChunk];
  }

  want(seqs: ReadonlySet<number>, count: number): void {
    const chunks = new Set(Array.from(seqs, chunkOf));
    this.#missing = [...chunks].filter((chunk) => {
      const known = this.#chunks.get(chunk)?.length ?? 0;
      return known < Math.min(ofChunk, count - chunk * ofChunk);
    });
    for (const chunk of this.#chunks.keys()) {
      if (this.#chunks.size > maxChunks && !chunks.has(chunk)) this.#chunks.delete(chunk);
    }
    if (!this.#fetching) void this.#fetchMissing();
  }

  close(): void {
    this.#closing.abort();
  }

  async #fetchMissing(): Promise<void> {
    this.#fetching = true;
    try {
      for (let chunk = this.#missing[0]; chunk !== undefined; chunk = this.#missing[0]) {
        const address = `/api/phrases?${this.#query}&from=${chunk * ofChunk + 1}&count=${ofChunk}`;
        const response = await fetch(address, { signal: this.#closing.signal });
        if (!response.ok) return;
        this.#chunks.set(chunk, (await response.json()) as Phrase[]);
        this.#missing = this.#missing.filter((each) => each !== chunk);
        this.#onMore();
      }
    } catch {
      // The inspector has ended, which the banner shows, or the page was closed.
    } finally {
      this.#fetching = false;
    }
  }
}

function chunkOf(seq: number): number {
  return Math.floor((seq - 1) / ofChunk);
}
