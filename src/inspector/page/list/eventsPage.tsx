/** Searches the events of all tasks, newest first. */

import { useEffect, useRef, useState } from "preact/hooks";
import { taskName } from "../../../base/taskId.ts";
import { countOf } from "../../../units/counts.ts";
import { formatTime } from "../../../units/times.ts";
import type { EventHit, EventHits } from "../../views/answers.ts";
import { linkTo } from "../address.ts";
import { ask } from "../api.ts";
import { useKeys } from "../hooks.ts";
import type { PartProperties } from "../live.ts";
import { useChoice } from "../navigation.ts";
import { Table } from "../table.tsx";
import { Choice } from "./filters.tsx";

export function EventsPage({ live: { eventTypes } }: PartProperties) {
  const [words, setWords] = useChoice("words");
  const [type, setType] = useChoice("type");
  const { hits, isDone, searchOn } = useHits(words, type);
  const isAsked = isSearch(words, type);
  const input = useRef<HTMLInputElement>(null);
  useKeys({ "/": () => input.current?.focus() });
  return (
    <>
      <h1 class="plain">Events</h1>
      <div class="filters short">
        <input
          ref={input}
          type="search"
          aria-label="Search events"
          placeholder="Words in events of all tasks: a path, a signal, an error's code"
          value={words}
          onInput={({ currentTarget }) => setWords(currentTarget.value)}
        />
        <Choice label="Event" value={type} values={eventTypes} show={setType} />
        <span class="count" role="status">
          {isAsked ? `${countOf(hits.length, "event")}${isDone ? "" : " so far"}` : ""}
        </span>
      </div>
      {isAsked ? null : <p class="empty">Enter words or choose a type to search the events of all tasks.</p>}
      {isAsked && isDone && hits.length === 0 ? <p class="empty">No event has these words.</p> : null}
      {hits.length === 0 ? null : (
        <section class="card found stacked" aria-label="Found">
          <Table label="Events found" heads={["Time", "Task", "Event", "What"]} rows={hits.map(cellsOf)} />
          {searchOn === undefined ? null : (
            <button type="button" onClick={searchOn}>
              Search further
            </button>
          )}
        </section>
      )}
    </>
  );
}

function cellsOf({ id, seq, time, title, text }: EventHit) {
  return [
    formatTime(time),
    <a key="task" href={linkTo(["task", id])}>
      {taskName(id)}
    </a>,
    <a key="event" href={linkTo(["task", id], { event: String(seq) })}>
      {`${title} [${seq}]`}
    </a>,
    text,
  ];
}

function isSearch(words: string, type: string): boolean {
  return words.trim() !== "" || type !== "";
}

/** Number of hits after which a search pauses until the user requests more. */
const enough = 200;
/** Pause in typing before a search begins. */
const typingMs = 200;

interface Found {
  readonly hits: readonly EventHit[];
  readonly isDone: boolean;
  /** Continues the search; undefined if there are no more events to search. */
  readonly searchOn: (() => void) | undefined;
}

function useHits(words: string, type: string): Found {
  const [hits, setHits] = useState<readonly EventHit[]>([]);
  const [next, setNext] = useState<string | null>("");
  const [limit, setLimit] = useState(enough);
  useEffect(() => {
    setHits([]);
    setNext("");
    setLimit(enough);
  }, [words, type]);
  const isAsked = isSearch(words, type);
  const isWaiting = isAsked && next !== null && hits.length < limit;
  useEffect(() => {
    if (!isWaiting) return;
    const controller = new AbortController();
    const { signal } = controller;
    const query = new URLSearchParams({ words, type, from: next });
    const search = () =>
      ask(`/api/search?${query}`, { signal })
        .then(async (response) => {
          if (!response.ok) return setNext(null);
          const more = (await response.json()) as EventHits;
          if (signal.aborted) return;
          setHits((before) => [...before, ...more.hits]);
          setNext(more.next);
        })
        .catch(() => undefined);
    const timer = setTimeout(search, next === "" ? typingMs : 0);
    return () => {
      clearTimeout(timer);
      controller.abort();
    };
  }, [isWaiting, words, type, next]);
  const searchOn =
    next === null || isWaiting || !isAsked ? undefined : () => setLimit((before) => before + enough);
  return { hits, isDone: !isWaiting, searchOn };
}
