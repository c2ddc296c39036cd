/** The live list of all tasks, searched, filtered and sorted by the choices in the address. */
import { useMemo, useRef, useState } from "preact/hooks";
import { taskOfRun } from "../../../base/taskId.ts";
import type { TaskSummary } from "../../views/taskSummary.ts";
import { Empty, Waiting } from "../empty.tsx";
import { useKeys, useNow } from "../hooks.ts";
import type { PartProperties } from "../live.ts";
import { choose, useAddress } from "../navigation.ts";
import { Filters } from "./filters.tsx";
import { byTask, matcher, outcomeGroups, sorted, type TaskRuns } from "./find.ts";
import { type Folded, TaskRows } from "./taskRows.tsx";

/**
 * The state of the list when it was left: its scroll position in pixels, the task that was opened, and the
 * tasks whose earlier runs are shown.
 */
const place: { top: number; opened: string | undefined; unfolded: ReadonlySet<string> } = {
  top: 0,
  opened: undefined,
  unfolded: new Set(),
};

export function TaskList({ live: { rows, status, eventTypes } }: PartProperties) {
  const { choices } = useAddress();
  const { outcome = "", sort = "" } = choices;
  // `sort` and `outcome` are not among these choices, so changing them does not repeat the search.
  const { search = "", job = "", user = "", event = "", cause = "" } = choices;
  const searchInput = useRef<HTMLInputElement>(null);
  useKeys({ "/": () => searchInput.current?.focus() });
  /** After every choice, the list scrolls to its top. */
  const show = (changes: Readonly<Record<string, string>>) => {
    place.top = 0;
    choose(changes);
  };
  const found = useMemo(
    () => rows.filter(matcher({ search, job, user, event, cause }, eventTypes)),
    [rows, search, job, user, event, cause, eventTypes],
  );
  const shown = useMemo(() => {
    const isShown = Object.hasOwn(outcomeGroups, outcome) ? outcomeGroups[outcome] : undefined;
    return isShown ? found.filter((row) => isShown(row.outcome.kind)) : found;
  }, [found, outcome]);
  if (status?.ready !== true) return <Waiting text="Reading the event log…" />;
  if (rows.length === 0) return <NoTasks />;
  return (
    <div class="list">
      <h1 class="unseen">Tasks</h1>
      <Filters {...{ rows, found, shown: shown.length, choices, eventTypes, show }} input={searchInput} />
      {shown.length === 0 ? (
        <p class="empty">
          No task matches.{" "}
          <button type="button" onClick={() => show(nothingChosen)}>
            Show all
          </button>
        </p>
      ) : (
        <Rows key={JSON.stringify([choices])} rows={shown} sort={sort} show={show} />
      )}
      <p class="hint">
        <kbd>/</kbd> search, <kbd>↑</kbd> <kbd>↓</kbd> move, <kbd>Enter</kbd> open
      </p>
    </div>
  );
}

const nothingChosen = { search: "", outcome: "", job: "", user: "", event: "", cause: "" };

interface RowsProperties {
  /** Runs, the newest first. */
  readonly rows: readonly TaskSummary[];
  readonly sort: string;
  readonly show: (changes: Readonly<Record<string, string>>) => void;
}

/** A row for each task, which shows its newest run, and can be opened to show the earlier ones below it. */
function Rows({ rows, sort, show }: RowsProperties) {
  const [unfolded, setUnfolded] = useState(place.unfolded);
  // All ages grow equally, so the order by age stays correct as time passes.
  const tasks = useMemo(() => {
    const runs = new Map(byTask(rows).map((task) => [task.newest, task]));
    return sorted([...runs.keys()], sort, Date.now()).flatMap((row) => runs.get(row) ?? []);
  }, [rows, sort]);
  const [shown, folds] = useMemo(() => rowsOf(tasks, unfolded), [tasks, unfolded]);
  return (
    <TaskRows
      rows={shown}
      folds={folds}
      now={useNow()}
      sort={sort}
      onSort={(name) => show({ sort: name })}
      onFold={(id) => {
        place.unfolded = toggled(unfolded, taskOfRun(id));
        setUnfolded(place.unfolded);
      }}
      top={place.top}
      opened={place.opened}
      onPlace={(change) => Object.assign(place, change)}
    />
  );
}

function toggled(chosen: ReadonlySet<string>, one: string): ReadonlySet<string> {
  const others = [...chosen].filter((each) => each !== one);
  return new Set(chosen.has(one) ? others : [...others, one]);
}

/** The rows of tasks, and what is folded into them, by their ids. */
function rowsOf(
  tasks: readonly TaskRuns[],
  unfolded: ReadonlySet<string>,
): [readonly TaskSummary[], ReadonlyMap<string, Folded>] {
  const folds = new Map<string, Folded>();
  const rows = tasks.flatMap(({ newest, earlier }) => {
    const first = earlier.at(-1);
    if (first === undefined) return [newest];
    const isOpen = unfolded.has(taskOfRun(newest.id));
    folds.set(newest.id, { runs: earlier.length + 1, firstAt: first.begunAt, isOpen });
    if (!isOpen) return [newest];
    for (const { id } of earlier) folds.set(id, "inside");
    return [newest, ...earlier];
  });
  return [rows, folds];
}

function NoTasks() {
  return (
    <Empty title="No task has run here yet">
      <p>
        Run a job with <code>driver = "exec2"</code>, or try one without a cluster:
      </p>
      <pre>nomad-driver-exec2 run examples/hello.nomad.hcl</pre>
      <p>The task appears here at once.</p>
    </Empty>
  );
}
