/** What the task's options permit, and whether its observed runs used it. */
import { countOf } from "../../../units/counts.ts";
import type { PermissionsView } from "../../views/permissionsView.ts";
import { useAnswer } from "../live.ts";
import { Table } from "../table.tsx";

interface Properties {
  /** Query parameters that identify the task in the API. */
  readonly query: string;
  /** Number of the task's events: the answer may differ after each. */
  readonly events: number;
}

const tones = { used: "", unused: "unclear", denied: "bad" } as const;

export function Permissions({ query, events }: Properties) {
  const view = useAnswer<PermissionsView>(`/api/permissions?${query}`, events);
  if (view === undefined || view.runs === 0) return null;
  const { runs, permissions, gaps, candidate } = view;
  return (
    <section class="card stacked permissions" aria-label="Permissions">
      <h2>
        Permissions <span class="faint">used in {countOf(runs, "observed run")}</span>
      </h2>
      {permissions.length === 0 ? <p class="faint">Its options open nothing beyond the defaults.</p> : null}
      {permissions.length === 0 ? null : (
        <Table
          label="List of permissions"
          heads={["Entry", "Option", "Use"]}
          rows={permissions.map(({ option, what, use, text }) => [
            <code key="what">{what}</code>,
            option === "" ? <span class="faint">none</span> : <code key="option">{option}</code>,
            <span key="use" class={tones[use]}>
              {text}
            </span>,
          ])}
        />
      )}
      {candidate === null ? null : <p class="unclear">{candidate}.</p>}
      {gaps.map((gap) => (
        <p key={gap} class="faint">
          {gap}.
        </p>
      ))}
    </section>
  );
}
