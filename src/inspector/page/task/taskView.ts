/** Keeps the view of a task up to date. Fetches only the steps that are new. */
import { useEffect, useMemo, useState } from "preact/hooks";
import type { TaskView } from "../../views/taskView.ts";

/**
 * @param query names the task to the API
 * @param events number of its events; undefined if there is no such task (yet)
 * @returns undefined until the first answer
 */
export function useTaskView(query: string, events: number | undefined): TaskView | undefined {
  const [view, setView] = useState<TaskView>();
  const feed = useMemo(() => new TaskFeed(query, setView), [query]);
  useEffect(() => {
    if (events !== undefined) void feed.fetchUpTo(events);
  }, [feed, events]);
  useEffect(() => () => feed.close(), [feed]);
  return view;
}

/** Makes one request at a time, however quickly events come. */
class TaskFeed {
  readonly #query: string;
  readonly #publish: (view: TaskView) => void;
  readonly #closing = new AbortController();
  #known: TaskView | undefined;
  #target = 0;
  #fetching = false;

  constructor(query: string, publish: (view: TaskView) => void) {
    this.#query = query;
    this.#publish = publish;
  }

  /** Fetches until so many steps are known, or the server has no more. */
  async fetchUpTo(events: number): Promise<void> {
    this.#target = events;
    // Fewer than are known: the log was replaced by another one.
    if (events < this.#count) this.#known = undefined;
    if (this.#fetching) return;
    this.#fetching = true;
    try {
      while (this.#count < this.#target && (await this.#fetchSteps()));
    } catch {
      // The inspector has ended, which the banner says, or the page was closed.
    } finally {
      this.#fetching = false;
    }
  }

  close(): void {
    this.#closing.abort();
  }

  get #count(): number {
    return this.#known?.steps.length ?? 0;
  }

  /** @returns whether it is worth asking for more steps */
  async #fetchSteps(): Promise<boolean> {
    const before = this.#known;
    const { signal } = this.#closing;
    const response = await fetch(`/api/task?${this.#query}&from=${this.#count + 1}`, { signal });
    if (!response.ok) return false;
    const update = (await response.json()) as TaskView;
    // The known steps were dropped meanwhile.
    if (before !== this.#known) return true;
    this.#known = { ...update, steps: [...(before?.steps ?? []), ...update.steps] };
    this.#publish(this.#known);
    return update.steps.length > 0;
  }
}
