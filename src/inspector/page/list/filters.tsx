/** The search and the filters of the list. */
import type { RefObject } from "preact";
import { formatCount } from "../../../units/counts.ts";
import { type OutcomeKind, type Tone, toneOf } from "../../views/outcomeKinds.ts";
import type { TaskSummary } from "../../views/taskSummary.ts";
import type { Choices } from "../address.ts";
import { outcomeGroups, valuesOf } from "./find.ts";

interface Properties {
  readonly rows: readonly TaskSummary[];
  /** The tasks that match all filters except the outcome. */
  readonly found: readonly TaskSummary[];
  /** Number of rows in the list. */
  readonly shown: number;
  readonly choices: Choices;
  readonly eventTypes: readonly string[];
  readonly show: (changes: Choices) => void;
  readonly input: RefObject<HTMLInputElement | null>;
}

export function Filters({ rows, found, shown, choices, eventTypes, show, input }: Properties) {
  const { search = "", outcome = "", job = "", user = "", event = "", cause = "" } = choices;
  const seen = rows.reduce((bits, row) => bits | row.seen, 0);
  return (
    <div class="filters">
      <input
        ref={input}
        type="search"
        aria-label="Search tasks"
        placeholder="Search name, job, allocation, user, outcome"
        value={search}
        onInput={({ currentTarget }) => show({ search: currentTarget.value })}
        onKeyDown={(pressed) => {
          if (pressed.key === "Escape") show({ search: "" });
          if (pressed.key === "ArrowDown") document.querySelector<HTMLElement>(".row a")?.focus();
        }}
      />
      <Choice
        label="Job"
        value={job}
        values={valuesOf(rows, (row) => row.job)}
        show={(to) => show({ job: to })}
      />
      <Choice
        label="User"
        value={user}
        values={valuesOf(rows, (row) => row.user)}
        show={(to) => show({ user: to })}
      />
      <Choice
        label="Event"
        value={event}
        values={eventTypes.filter((_, index) => (seen & (2 ** index)) !== 0)}
        show={(to) => show({ event: to })}
      />
      <span class="count" role="status">
        {formatCount(shown)} of {formatCount(rows.length)}
      </span>
      <Outcomes found={found} chosen={outcome} show={(to) => show({ outcome: to })} />
      {cause === "" ? null : (
        <button
          type="button"
          class="cause"
          title="Show tasks of every cause"
          onClick={() => show({ cause: "" })}
        >
          {cause} <b aria-hidden="true">×</b>
        </button>
      )}
    </div>
  );
}

interface OutcomesProperties {
  readonly found: readonly TaskSummary[];
  readonly chosen: string;
  readonly show: (outcome: string) => void;
}

/** Buttons for the existing outcomes, each with its count. */
function Outcomes({ found, chosen, show }: OutcomesProperties) {
  const counts = new Map<string, number>();
  for (const { outcome } of found) {
    for (const [name, isIn] of Object.entries(outcomeGroups)) {
      if (isIn(outcome.kind)) counts.set(name, (counts.get(name) ?? 0) + 1);
    }
  }
  // Starting, running and stopping tasks share the button "active". Only final outcomes have their own
  // buttons.
  const shown = Object.keys(outcomeGroups).filter(
    (name) => name === chosen || (counts.has(name) && (name === "active" || toneOfGroup(name) !== "busy")),
  );
  return (
    <fieldset class="outcomes">
      <legend>Outcome</legend>
      {["", ...shown].map((name) => (
        <button
          key={name}
          type="button"
          class={toneOfGroup(name)}
          aria-pressed={chosen === name}
          onClick={() => show(name)}
        >
          {name === "" ? "all" : name}{" "}
          <b>{formatCount(name === "" ? found.length : (counts.get(name) ?? 0))}</b>
        </button>
      ))}
    </fieldset>
  );
}

/** The tone of an outcome; undefined for a group of several outcomes. */
function toneOfGroup(name: string): Tone | undefined {
  return Object.hasOwn(toneOf, name) ? toneOf[name as OutcomeKind] : undefined;
}

interface ChoiceProperties {
  readonly label: string;
  readonly value: string;
  readonly values: readonly string[];
  readonly show: (value: string) => void;
}

/** A menu to choose one of the values, or any. */
export function Choice({ label, value, values, show }: ChoiceProperties) {
  const all = value === "" || values.includes(value) ? values : [value, ...values];
  return (
    <select
      class={value === "" ? undefined : "chosen"}
      aria-label={label}
      value={value}
      onChange={({ currentTarget }) => show(currentTarget.value)}
    >
      <option value="">any {label.toLowerCase()}</option>
      {all.map((each) => (
        <option key={each} value={each}>
          {each}
        </option>
      ))}
    </select>
  );
}
