/** The live list of all tasks, with a search and filters. */
import { useRef } from "preact/hooks";
import type { TaskSummary } from "../../views/taskSummary.ts";
import { useKeys } from "../hooks.ts";
import type { PartProperties } from "../live.ts";
import { choose, useChoice } from "../navigation.ts";
import { TaskRows } from "./taskRows.tsx";

const kinds = {
  All: () => true,
  Active: ({ outcome }: TaskSummary) => outcome.tone === "busy",
  Failed: ({ outcome }: TaskSummary) => outcome.tone === "bad",
  Ended: ({ outcome }: TaskSummary) => outcome.tone !== "busy",
} as const;
type Kind = keyof typeof kinds;

function isKind(name: string): name is Kind {
  return Object.hasOwn(kinds, name);
}

/** Where the list was when it was left: its scroll position in pixels, and the task that was opened. */
const place: { top: number; opened: string | undefined } = { top: 0, opened: undefined };

export function TaskList({ live: { rows, status } }: PartProperties) {
  const [searchText, setSearchText] = useChoice("search");
  const [shownKind, setShownKind] = useChoice("show");
  const kind = isKind(shownKind) ? shownKind : "All";
  const show = (choose: () => void) => {
    place.top = 0;
    choose();
  };
  const search = useRef<HTMLInputElement>(null);
  useKeys({ "/": () => search.current?.focus() });
  const words = searchText.toLowerCase().split(/\s+/).filter(Boolean);
  const found =
    words.length === 0 ? rows : rows.filter((row) => words.every((word) => textOf(row).includes(word)));
  const shown = found.filter(kinds[kind]);
  if (status?.ready !== true) return <p class="empty">Reading the event log…</p>;
  if (rows.length === 0) return <NoTasks />;
  return (
    <div class="list">
      <div class="filters">
        <input
          ref={search}
          type="search"
          aria-label="Search tasks"
          placeholder="Search name, job, allocation, state, outcome"
          value={searchText}
          onInput={({ currentTarget }) => show(() => setSearchText(currentTarget.value))}
          onKeyDown={(event) => {
            if (event.key === "Escape") show(() => setSearchText(""));
            if (event.key === "ArrowDown") document.querySelector<HTMLElement>(".row a")?.focus();
          }}
        />
        <fieldset>
          <legend>Show</legend>
          {(Object.keys(kinds) as Kind[]).map((each) => (
            <button
              key={each}
              type="button"
              aria-pressed={kind === each}
              onClick={() => show(() => setShownKind(each === "All" ? "" : each))}
            >
              {each} <span class="faint">{found.filter(kinds[each]).length}</span>
            </button>
          ))}
        </fieldset>
        <span class="count" role="status">
          {shown.length} of {rows.length}
        </span>
      </div>
      {shown.length === 0 ? (
        <p class="empty">
          No task matches.{" "}
          <button type="button" onClick={() => show(() => choose({ search: "", show: "" }))}>
            Show all
          </button>
        </p>
      ) : (
        <TaskRows
          // A new search or filter starts a new list at its top.
          key={`${kind} ${searchText}`}
          rows={shown}
          top={place.top}
          opened={place.opened}
          onPlace={(change) => Object.assign(place, change)}
        />
      )}
      <p class="hint">
        <kbd>/</kbd> search, <kbd>↑</kbd> <kbd>↓</kbd> go through, <kbd>Enter</kbd> open
      </p>
    </div>
  );
}

function NoTasks() {
  return (
    <div class="empty">
      <h1>No task has run here yet</h1>
      <p>
        Run a job with <code>driver = "exec2"</code>, or try one without a cluster:
      </p>
      <pre>nomad-driver-exec2 run examples/hello.nomad.hcl</pre>
      <p>It appears here at once.</p>
    </div>
  );
}

function textOf({ id, job, group, namespace, state, outcome, exit }: TaskSummary): string {
  return [id, job, group, namespace, state, outcome.text, exit].join(" ").toLowerCase();
}
