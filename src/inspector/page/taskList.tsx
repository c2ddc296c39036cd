/** All tasks, of which only those in sight are drawn. */
import { useEffect, useRef, useState } from "preact/hooks";
import { formatSpan } from "../../cli/terminal/time.ts";
import type { TaskSummary } from "../taskSummary.ts";
import type { Live } from "./live.ts";
import { useNow } from "./now.ts";

const rowHeight = 44;
const kinds = {
  all: () => true,
  running: ({ endedAt, state }: TaskSummary) => endedAt === null && state !== "destroyed",
  failed: ({ bad }: TaskSummary) => bad,
  ended: ({ endedAt }: TaskSummary) => endedAt !== null,
} as const;
type Kind = keyof typeof kinds;

export function TaskList({ live }: { readonly live: Live }) {
  const [sought, setSought] = useState("");
  const [kind, setKind] = useState<Kind>("all");
  const search = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key !== "/" || event.target instanceof HTMLInputElement) return;
      event.preventDefault();
      search.current?.focus();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
  const words = sought.toLowerCase().split(/\s+/).filter(Boolean);
  const shown = live.rows.filter(
    (row) => kinds[kind](row) && words.every((word) => textOf(row).includes(word)),
  );
  return (
    <>
      <div class="filters">
        <input
          ref={search}
          type="search"
          aria-label="Search tasks"
          placeholder="Search: name, job, allocation, state ( / )"
          onInput={({ currentTarget }) => setSought(currentTarget.value)}
        />
        {(Object.keys(kinds) as Kind[]).map((each) => (
          <button key={each} type="button" aria-pressed={kind === each} onClick={() => setKind(each)}>
            {each}
          </button>
        ))}
        <span class="count">
          {shown.length} of {live.rows.length}
        </span>
      </div>
      {live.rows.length === 0 ? <Empty ready={live.status?.ready ?? false} /> : <Rows rows={shown} />}
    </>
  );
}

function Empty({ ready }: { readonly ready: boolean }) {
  if (!ready) return <p class="empty">Reading the event log…</p>;
  return (
    <p class="empty">
      No task has run here yet. Start one with <code>nomad-driver-exec2 run examples/hello.nomad.hcl</code>,
      or run a job with <code>driver = "exec2"</code>: it appears here at once.
    </p>
  );
}

function Rows({ rows }: { readonly rows: readonly TaskSummary[] }) {
  const [top, setTop] = useState(0);
  const now = useNow();
  const first = Math.max(0, Math.floor(top / rowHeight) - 5);
  const seen = rows.slice(first, first + Math.ceil(innerHeight / rowHeight) + 10);
  return (
    <section
      class="rows"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by the keyboard
      tabIndex={0}
      aria-label="Tasks"
      onScroll={({ currentTarget }) => setTop(currentTarget.scrollTop)}
    >
      <ul style={{ height: `${rows.length * rowHeight}px` }}>
        {seen.map((row, index) => (
          <li key={row.id} style={{ top: `${(first + index) * rowHeight}px` }}>
            <a href={`#/task/${encodeURIComponent(row.id)}`} onKeyDown={moveFocus}>
              <b>{row.task}</b>
              <span class="job">
                {row.job} <code>{row.allocation.slice(0, 8)}</code>
              </span>
              <span class={`state ${row.bad ? "bad" : row.endedAt === null ? "busy" : ""}`}>{row.state}</span>
              <span class="end">
                {row.end}
                {row.restarts > 0 ? `, restart ${row.restarts}` : ""}
              </span>
              <span class="age">{formatSpan(Math.max(0, now - row.begunAt))}</span>
            </a>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** Arrows go from row to row. */
function moveFocus(event: KeyboardEvent & { readonly currentTarget: HTMLElement }): void {
  const item = event.currentTarget.parentElement;
  const next =
    event.key === "ArrowDown"
      ? item?.nextElementSibling
      : event.key === "ArrowUp"
        ? item?.previousElementSibling
        : null;
  if (!next) return;
  event.preventDefault();
  next.querySelector("a")?.focus();
}

function textOf({ id, job, group, state, end }: TaskSummary): string {
  return `${id} ${job} ${group} ${state} ${end}`.toLowerCase();
}
