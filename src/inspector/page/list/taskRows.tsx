/** The table of tasks. Its column heads sort the rows. Only rows in or near the visible part are drawn. */
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { shortId } from "../../../base/taskId.ts";
import { formatDuration } from "../../../units/durations.ts";
import type { TaskSummary } from "../../views/taskSummary.ts";
import { linkTo } from "../address.ts";
import { Gap, reveal, rowsInSight, useRowHeight } from "../longTable.tsx";
import { Mark } from "../mark.tsx";
import { type Column, type ColumnName, columns, columnsOf, labelOf, ranText } from "./find.ts";
import { type Use, useUsage } from "./usage.ts";

interface Place {
  readonly top?: number;
  readonly opened?: string;
}

/** What is folded into the row of a task's newest run; `inside`: one of the earlier runs below it. */
export type Folded = Fold | "inside";

interface Fold {
  /** Number of the task's runs in the list, with the newest one. */
  readonly runs: number;
  /** Time of the request of the first of them. */
  readonly firstAt: number;
  /** Whether the earlier runs are the next rows. */
  readonly isOpen: boolean;
}

interface Properties {
  readonly rows: readonly TaskSummary[];
  /** By the ids of rows. */
  readonly folds: ReadonlyMap<string, Folded>;
  readonly now: number;
  /** The name of the column by which the rows are sorted, with a leading `-` for descending order. */
  readonly sort: string;
  readonly onSort: (sort: string) => void;
  /** Shows or hides the earlier runs of a row's task. */
  readonly onFold: (id: string) => void;
  /** Initial scroll position, and the id of the task to focus. */
  readonly top: number;
  readonly opened: string | undefined;
  readonly onPlace: (place: Place) => void;
}

export function TaskRows({
  rows,
  folds,
  now,
  sort,
  onSort,
  onFold,
  top: firstTop,
  opened,
  onPlace,
}: Properties) {
  const height = useRowHeight(40, 60);
  const scroller = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(firstTop);
  useLayoutEffect(() => {
    scroller.current?.scrollTo(0, firstTop);
    if (opened !== undefined) document.getElementById(opened)?.focus({ preventScroll: true });
  }, []);
  useSteadyTop(scroller, rows, height);
  const focusRow = useRowFocus(scroller);
  const [first, last] = rowsInSight(top, height, rows.length);
  const visible = rows.slice(first, last);
  const usage = useUsage(visible);
  const names = useMemo(() => columnsOf(rows), [rows]);
  const hasDisk = names.includes("disk");
  const onKey = (event: KeyboardEvent) => {
    const place = scroller.current;
    if (place === null || event.ctrlKey || event.altKey || event.metaKey) return;
    const focused = document.activeElement?.id ?? "";
    const fold = folds.get(focused);
    if (typeof fold === "object" && event.key === (fold.isOpen ? "ArrowLeft" : "ArrowRight")) {
      event.preventDefault();
      onFold(focused);
      return;
    }
    const target = targetOf(event.key, {
      focused: rows.findIndex(({ id }) => id === focused),
      first: Math.ceil(top / height),
      page: Math.floor((place.clientHeight - headHeight) / height),
      last: rows.length - 1,
    });
    if (target === undefined) return;
    event.preventDefault();
    const at = Math.min(Math.max(0, target), rows.length - 1);
    setTop(reveal(place, at, height, headHeight));
    focusRow(rows[at]?.id);
  };
  return (
    <section
      ref={scroller}
      class="rows"
      aria-label="Tasks"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: an area that scrolls must be reachable by keyboard
      tabIndex={0}
      onKeyDown={onKey}
      onScroll={({ currentTarget: { scrollTop } }) => {
        setTop(scrollTop);
        onPlace({ top: scrollTop });
      }}
    >
      <table aria-label="Tasks" aria-rowcount={rows.length + 1}>
        <thead>
          <tr>
            {names.map((name) => (
              <Head key={name} name={name} sort={sort} onSort={onSort} />
            ))}
          </tr>
        </thead>
        <Gap height={first * height} />
        <tbody>
          {visible.map((row, index) => (
            <Row
              key={row.id}
              row={row}
              fold={folds.get(row.id)}
              now={now}
              use={usage[row.id]}
              hasDisk={hasDisk}
              index={first + index}
              onOpen={() => onPlace({ opened: row.id })}
              onFold={() => onFold(row.id)}
            />
          ))}
        </tbody>
        <Gap height={(rows.length - last) * height} />
      </table>
    </section>
  );
}

interface Rows {
  /** Index of the row with the focus; -1 if no row has the focus. */
  readonly focused: number;
  /** Index of the first row in sight. */
  readonly first: number;
  /** Number of rows in sight. */
  readonly page: number;
  readonly last: number;
}

/** Index of the row to which a key leads. It may lie beyond the ends. Undefined for any other key. */
function targetOf(key: string, { focused, first, page, last }: Rows): number | undefined {
  const from = focused === -1 ? first : focused;
  return {
    ArrowDown: focused === -1 ? first : focused + 1,
    ArrowUp: focused === -1 ? first : focused - 1,
    PageDown: from + page,
    PageUp: from - page,
    Home: 0,
    End: last,
  }[key];
}

/**
 * Keeps the focus in the list while rows are drawn and removed.
 * @returns a function that gives the focus to the row with an id, at once or as soon as it is drawn
 */
function useRowFocus(scroller: { readonly current: HTMLElement | null }): (id: string | undefined) => void {
  const wanted = useRef<string>(undefined);
  const focus = (id: string) => document.getElementById(id)?.focus({ preventScroll: true });
  const hadFocus = scroller.current?.contains(document.activeElement) === true;
  useLayoutEffect(() => {
    if (wanted.current !== undefined) {
      focus(wanted.current);
      wanted.current = undefined;
    } else if (hadFocus && document.activeElement === document.body) {
      // The row with the focus was scrolled out of sight. The list takes the focus, so that its keys still
      // work.
      scroller.current?.focus({ preventScroll: true });
    }
  });
  return (id) => {
    wanted.current = id;
    if (id !== undefined) focus(id);
  };
}

interface HeadProperties {
  readonly name: ColumnName;
  readonly sort: string;
  readonly onSort: (sort: string) => void;
}

/** A click sorts by the column, a second one reverses the order, and a third one ends the sorting. */
function Head({ name, sort, onSort }: HeadProperties) {
  const { title, sortBy }: Column = columns[name];
  const way = sort === name ? "ascending" : sort === `-${name}` ? "descending" : undefined;
  const next = way === undefined ? name : way === "ascending" ? `-${name}` : "";
  return (
    <th scope="col" class={name} aria-sort={way}>
      {sortBy === undefined ? (
        title
      ) : (
        <button type="button" title={`Sort by ${title.toLowerCase()}`} onClick={() => onSort(next)}>
          {title}
          {way === undefined ? null : <span aria-hidden="true">{way === "ascending" ? " ↑" : " ↓"}</span>}
        </button>
      )}
    </th>
  );
}

interface RowProperties {
  readonly row: TaskSummary;
  readonly fold: Folded | undefined;
  readonly now: number;
  /** Undefined until it is known. */
  readonly use: Use | undefined;
  /** Whether the list has a column for it. */
  readonly hasDisk: boolean;
  readonly index: number;
  readonly onOpen: () => void;
  readonly onFold: () => void;
}

function Row({ row, fold, now, use, hasDisk, index, onOpen, onFold }: RowProperties) {
  const { id, job, user, allocation, outcome, exit, restarts, begunAt } = row;
  const label = labelOf(row);
  return (
    <tr class={fold === "inside" ? "row inside" : "row"} aria-rowindex={index + 2}>
      <td class="task">
        <Mark tone={outcome.tone} />
        <a id={id} href={linkTo(["task", id])} title={label} onClick={onOpen}>
          {label}
        </a>
        {typeof fold !== "object" ? null : <FoldButton fold={fold} label={label} now={now} onFold={onFold} />}
      </td>
      <td class="job" title={job ?? undefined}>
        {job}
      </td>
      <td class="user">{user}</td>
      <td class="allocation">
        <code>{shortId(allocation)}</code>
      </td>
      <td class={`outcome ${outcome.tone}`} title={outcome.text}>
        {outcome.text}
      </td>
      <td class="exit">{exit ?? "–"}</td>
      <td class="cpu" title={use?.about}>
        {use?.cpu}
      </td>
      <td class="memory" title={use?.about}>
        {use?.memory}
      </td>
      {hasDisk ? (
        <td class="disk" title={use?.about}>
          {use?.disk}
        </td>
      ) : null}
      <td class="restarts">{restarts === 0 ? "–" : restarts}</td>
      <td class="ran">{ranText(row, now)}</td>
      <td class="age">{formatDuration(Math.max(0, now - begunAt))}</td>
    </tr>
  );
}

interface FoldProperties {
  readonly fold: Fold;
  /** The task's. */
  readonly label: string;
  readonly now: number;
  readonly onFold: () => void;
}

/** Such as `▸ 38`: a click shows the 38 runs of a task, or hides all but the newest one. */
function FoldButton({ fold: { runs, firstAt, isOpen }, label, now, onFold }: FoldProperties) {
  const first = formatDuration(Math.max(0, now - firstAt));
  return (
    <button
      type="button"
      class="runs"
      aria-expanded={isOpen}
      title={`${runs} runs, the first ${first} ago`}
      onClick={onFold}
    >
      <span aria-hidden="true">{isOpen ? "▾ " : "▸ "}</span>
      {runs}
      <span class="unseen"> runs of {label}</span>
    </button>
  );
}

/** The height of the heads, in pixels. It must equal the height in the style sheet. */
const headHeight = 36;

/** Keeps the topmost visible row in place when the rows above it change, for instance when rows are added. */
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
    const newIndex = rows.findIndex(({ id }) => id === old[index]?.id);
    if (newIndex !== -1 && newIndex !== index) place.scrollTop += (newIndex - index) * height;
  }, [rows]);
}
