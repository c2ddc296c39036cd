/** The live list of all tasks, searched, filtered and sorted by the choices in the address. */
import { useMemo, useRef } from "preact/hooks";
import type { TaskSummary } from "../../views/taskSummary.ts";
import { Empty, Waiting } from "../empty.tsx";
import { useKeys, useNow } from "../hooks.ts";
import type { PartProperties } from "../live.ts";
import { choose, useAddress } from "../navigation.ts";
import { Filters } from "./filters.tsx";
import { matcher, outcomeGroups, sorted } from "./find.ts";
import { TaskRows } from "./taskRows.tsx";

/** The state of the list when it was left: its scroll position in pixels, and the task that was opened. */
const place: { top: number; opened: string | undefined } = { top: 0, opened: undefined };

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
  // All ages grow equally, so the order by age stays correct as time passes.
  const shown = useMemo(() => {
    const isShown = Object.hasOwn(outcomeGroups, outcome) ? outcomeGroups[outcome] : undefined;
    const kept = isShown ? found.filter((row) => isShown(row.outcome.kind)) : found;
    return sorted(kept, sort, Date.now());
  }, [found, outcome, sort]);
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
  readonly rows: readonly TaskSummary[];
  readonly sort: string;
  readonly show: (changes: Readonly<Record<string, string>>) => void;
}

function Rows({ rows, sort, show }: RowsProperties) {
  return (
    <TaskRows
      rows={rows}
      now={useNow()}
      sort={sort}
      onSort={(name) => show({ sort: name })}
      top={place.top}
      opened={place.opened}
      onPlace={(change) => Object.assign(place, change)}
    />
  );
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
