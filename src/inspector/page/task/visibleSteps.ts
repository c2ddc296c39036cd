/** Fetches a task's steps as they come, and the texts of the visible steps. */

import { useEffect, useMemo, useState } from "preact/hooks";
import type { Phrase } from "../../views/phrase.ts";
import { Steps, StepTable } from "../../views/stepTable.ts";
import type { TaskSteps } from "../../views/taskView.ts";
import { ask } from "../api.ts";

/**
 * Keeps the steps up to date.
 * @param query the part of the API's query that names the task
 * @param events number of its events; undefined if there is no such task (yet)
 * @returns undefined until the first answer
 */
export function useSteps(query: string, events: number | undefined): Steps | undefined {
  const [steps, setSteps] = useState<Steps>();
  const feed = useMemo(() => new StepFeed(query, setSteps), [query]);
  useEffect(() => {
    if (events !== undefined) void feed.fetchUpTo(events);
  }, [feed, events]);
  useEffect(() => () => feed.close(), [feed]);
  return steps;
}

/** Makes one request at a time, however quickly events come. */
class StepFeed {
  readonly #query: string;
  readonly #publish: (steps: Steps) => void;
  readonly #closing = new AbortController();
  #table = new StepTable();
  #target = 0;
  #fetching = false;

  constructor(query: string, publish: (steps: Steps) => void) {
    this.#query = query;
    this.#publish = publish;
  }

  /** Fetches steps until this many are known, or the server has no more. */
  async fetchUpTo(events: number): Promise<void> {
    this.#target = events;
    // There are fewer events than known steps, so another log has replaced the known log.
    if (events < this.#table.length) this.#table = new StepTable();
    if (this.#fetching) return;
    this.#fetching = true;
    try {
      while (this.#table.length < this.#target && (await this.#fetchSteps()));
    } catch {
      // The inspector has ended, which the banner shows, or the page was closed.
    } finally {
      this.#fetching = false;
    }
  }

  close(): void {
    this.#closing.abort();
  }

  /** @returns whether there may be more steps */
  async #fetchSteps(): Promise<boolean> {
    const table = this.#table;
    const { signal } = this.#closing;
    const response = await ask(`/api/task?${this.#query}&from=${table.length + 1}`, { signal });
    if (!response.ok) return false;
    const { names, numbers } = (await response.json()) as TaskSteps;
    // The table was replaced meanwhile, so the answer is out of date.
    if (table !== this.#table) return true;
    table.addNumbers(numbers);
    this.#publish(new Steps(table, names));
    return numbers.length > 0;
  }
}

/** Number of steps whose texts are fetched together. */
const chunkSize = 100;
/** Maximum number of chunks to keep. Beyond it, texts of invisible steps are dropped. */
const maxChunks = 50;

/**
 * Fetches the texts of steps when they become visible.
 * @param query the part of the API's query that names the task
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
    return this.#chunks.get(chunkOf(seq))?.[(seq - 1) % chunkSize];
  }

  want(seqs: ReadonlySet<number>, count: number): void {
    const chunks = new Set(Array.from(seqs, chunkOf));
    this.#missing = [...chunks].filter((chunk) => {
      const known = this.#chunks.get(chunk)?.length ?? 0;
      return known < Math.min(chunkSize, count - chunk * chunkSize);
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
        const address = `/api/phrases?${this.#query}&from=${chunk * chunkSize + 1}&count=${chunkSize}`;
        const response = await ask(address, { signal: this.#closing.signal });
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
  return Math.floor((seq - 1) / chunkSize);
}
