/** What is told of a task, kept up: of its steps only those are asked for that have come since. */
import { useEffect, useMemo, useState } from "preact/hooks";
import type { TaskView } from "../../views/taskView.ts";

/**
 * @param query names the task to the API
 * @param events how many it has; undefined where there is no such task (yet)
 * @returns undefined until something is known
 */
export function useTaskView(query: string, events: number | undefined): TaskView | undefined {
  const [view, setView] = useState<TaskView>();
  const feed = useMemo(() => new TaskFeed(query, setView), [query]);
  useEffect(() => {
    if (events !== undefined) void feed.want(events);
  }, [feed, events]);
  useEffect(() => () => feed.close(), [feed]);
  return view;
}

/** One question at a time, however quickly events come. */
class TaskFeed {
  readonly #query: string;
  readonly #tell: (view: TaskView) => void;
  readonly #closing = new AbortController();
  #known: TaskView | undefined;
  #wanted = 0;
  #asking = false;

  constructor(query: string, tell: (view: TaskView) => void) {
    this.#query = query;
    this.#tell = tell;
  }

  /** Asks until so many steps are known, or no more are told. */
  async want(events: number): Promise<void> {
    this.#wanted = events;
    // Fewer than are known: another log has taken the place of that one.
    if (events < this.#count) this.#known = undefined;
    if (this.#asking) return;
    this.#asking = true;
    try {
      while (this.#count < this.#wanted && (await this.#ask()));
    } catch {
      // The inspector is gone, which the banner tells, or the page has been left.
    } finally {
      this.#asking = false;
    }
  }

  close(): void {
    this.#closing.abort();
  }

  get #count(): number {
    return this.#known?.steps.length ?? 0;
  }

  /** @returns whether something came of it */
  async #ask(): Promise<boolean> {
    const before = this.#known;
    const { signal } = this.#closing;
    const response = await fetch(`/api/task?${this.#query}&from=${this.#count + 1}`, { signal });
    if (!response.ok) return false;
    const news = (await response.json()) as TaskView;
    // Let go of meanwhile.
    if (before !== this.#known) return true;
    this.#known = { ...news, steps: [...(before?.steps ?? []), ...news.steps] };
    this.#tell(this.#known);
    return news.steps.length > 0;
  }
}
