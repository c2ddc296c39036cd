/** Rows of tasks. Only the visible ones are drawn. */
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { shortId } from "../../../taskId.ts";
import { formatDuration } from "../../../units/durations.ts";
import type { TaskSummary } from "../../views/taskSummary.ts";
import { linkTo } from "../address.ts";
import { useNow } from "../hooks.ts";
import { Mark } from "../mark.tsx";

interface Place {
  readonly top?: number;
  readonly opened?: string;
}

interface Properties {
  readonly rows: readonly TaskSummary[];
  /** Initial scroll position, and the id of the task to focus. */
  readonly top: number;
  readonly opened: string | undefined;
  readonly onPlace: (place: Place) => void;
}

const heads = ["Task", "Job", "Allocation", "State", "Outcome", "Exit", "Restarts", "Age"];
/** Number of rows drawn beyond the visible ones, on either side. */
const overscan = 6;

export function TaskRows({ rows, top: firstTop, opened, onPlace }: Properties) {
  const height = useRowHeight();
  const scroller = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(firstTop);
  useLayoutEffect(() => {
    scroller.current?.scrollTo(0, firstTop);
    if (opened !== undefined) document.getElementById(opened)?.focus({ preventScroll: true });
  }, []);
  useSteadyTop(scroller, rows, height);
  const now = useNow();
  const first = Math.max(0, Math.floor(top / height) - overscan);
  const visible = rows.slice(first, first + Math.ceil(innerHeight / height) + 2 * overscan);
  return (
    <div
      ref={scroller}
      class="rows"
      onScroll={({ currentTarget: { scrollTop } }) => {
        setTop(scrollTop);
        onPlace({ top: scrollTop });
      }}
    >
      <table aria-label="Tasks" aria-rowcount={rows.length + 1}>
        <thead>
          <tr>
            {heads.map((head) => (
              <th key={head} scope="col" class={head.toLowerCase()}>
                {head}
              </th>
            ))}
          </tr>
        </thead>
        <Gap height={first * height} />
        <tbody>
          {visible.map((row, index) => (
            <Row
              key={row.id}
              row={row}
              now={now}
              index={first + index}
              onOpen={() => onPlace({ opened: row.id })}
            />
          ))}
        </tbody>
        <Gap height={(rows.length - first - visible.length) * height} />
      </table>
    </div>
  );
}

/** Takes the place of rows that are not drawn. */
function Gap({ height }: { readonly height: number }) {
  return (
    <tbody aria-hidden="true" class="gap">
      <tr style={{ height: `${height}px` }} />
    </tbody>
  );
}

interface RowProperties {
  readonly row: TaskSummary;
  readonly now: number;
  readonly index: number;
  readonly onOpen: () => void;
}

function Row({ row, now, index, onOpen }: RowProperties) {
  const { id, task, job, allocation, state, outcome, exit, restarts, begunAt } = row;
  return (
    <tr class="row" aria-rowindex={index + 2}>
      <td class="task">
        <Mark tone={outcome.tone} />
        <a id={id} href={linkTo(["task", id])} onKeyDown={moveFocus} onClick={onOpen}>
          {task}
        </a>
      </td>
      <td class="job">{job}</td>
      <td class="allocation">
        <code>{shortId(allocation)}</code>
      </td>
      <td class="state">{state}</td>
      <td class={`outcome ${outcome.tone}`}>{outcome.text}</td>
      <td class="exit">{exit ?? "–"}</td>
      <td class="restarts">{restarts === 0 ? "–" : restarts}</td>
      <td class="age">{formatDuration(Math.max(0, now - begunAt))}</td>
    </tr>
  );
}

/** The same height as in the style sheet. */
function useRowHeight(): number {
  const narrow = matchMedia("(max-width: 50rem)");
  const [height, setHeight] = useState(narrow.matches ? 60 : 40);
  useEffect(() => {
    const follow = () => setHeight(narrow.matches ? 60 : 40);
    narrow.addEventListener("change", follow);
    return () => narrow.removeEventListener("change", follow);
  }, []);
  return height;
}

/** Keeps the visible rows in place when new rows appear above them. */
function useSteadyTop(
  scroller: { readonly current: HTMLElement | null },
  rows: readonly TaskSummary[],
  height: number,
): void {
  const before = useRef(rows);
  useLayoutEffect(() => {
    const place = scroller.current;
    const old = before.current;
    before.current = rows;
    if (place === null || place.scrollTop === 0 || old === rows) return;
    const index = Math.floor(place.scrollTop / height);
    const now = rows.findIndex(({ id }) => id === old[index]?.id);
    if (now !== -1 && now !== index) place.scrollTop += (now - index) * height;
  }, [rows]);
}

/** Arrow keys move from row to row. */
function moveFocus(event: KeyboardEvent & { readonly currentTarget: HTMLElement }): void {
  const row = event.currentTarget.closest(".row");
  const next =
    event.key === "ArrowDown"
      ? row?.nextElementSibling
      : event.key === "ArrowUp"
        ? row?.previousElementSibling
        : null;
  if (!next) return;
  event.preventDefault();
  next.querySelector("a")?.focus();
}
