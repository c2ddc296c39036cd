/** Keeps the steps of a task up to date. Fetches only new ones. */
import { useEffect, useMemo, useState } from "preact/hooks";
import { type StepNames, Steps, StepTable } from "../../views/stepTable.ts";
import type { TaskSteps } from "../../views/taskView.ts";

/**
 * @param query names the task to the API
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
    // There are fewer events than known steps, so another log has replaced this one.
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
    const response = await fetch(`/api/task?${this.#query}&from=${table.length + 1}`, { signal });
    if (!response.ok) return false;
    const { names, numbers } = (await response.json()) as TaskSteps & { readonly names: StepNames };
    // The known steps were dropped meanwhile.
    if (table !== this.#table) return true;
    table.addNumbers(numbers);
    this.#publish(new Steps(table, names));
    return numbers.length > 0;
  }
}
