/** A bundle that was dropped onto the page: its origin, its verification, and its tasks. */
import { formatTime } from "../../../units/times.ts";
import type { BundleView } from "../../views/answers.ts";
import type { TaskSummary } from "../../views/taskSummary.ts";
import { linkTo } from "../address.ts";
import { useKeys } from "../hooks.ts";
import { type PartProperties, useAnswer } from "../live.ts";
import { Mark } from "../mark.tsx";
import { goTo } from "../navigation.ts";
import { Facts, Scroll } from "../table.tsx";
import { OpenCard } from "./openBundle.tsx";
import { useBundleRows } from "./source.ts";

export function BundlePage({ subject: key }: PartProperties) {
  const about = useAnswer<BundleView>(
    key === "" ? undefined : `/api/bundle/about?in=${encodeURIComponent(key)}`,
  );
  const { rows, isGone } = useBundleRows(key);
  useKeys({ Escape: () => goTo([]) });
  return (
    <>
      <h1 class="plain">{about?.name ?? "Bundle"}</h1>
      {key === "" ? (
        <p class="faint">A bundle has histories of tasks. Get one from export or a task's page.</p>
      ) : isGone ? (
        <p>The inspector no longer has this bundle. It keeps a few bundles in memory until it ends.</p>
      ) : about === undefined || rows === undefined ? null : (
        <>
          <Verification about={about} />
          <Tasks rows={rows} id={key} />
        </>
      )}
      <OpenCard />
    </>
  );
}

/** Maximum number of findings to show. Further ones are only counted. */
const maxFindings = 5;

function Verification({ about }: { readonly about: BundleView }) {
  const { driver, host, exportedAt, masked, events, findings } = about;
  const tone = findings.length === 0 ? "good" : "bad";
  return (
    <section class={`card verdict ${tone}`} aria-label="Verification">
      <p class="headline">
        <Mark tone={tone} />
        {tone === "good"
          ? "Consistent: each event fits its hash, and this version computes the same results"
          : "The bundle cannot be checked completely"}
      </p>
      {findings.slice(0, maxFindings).map((finding) => (
        <p key={finding}>{finding}.</p>
      ))}
      {findings.length > maxFindings ? (
        <p>{findings.length - maxFindings} more tasks have such events.</p>
      ) : null}
      <Facts
        kind="strip"
        facts={[
          ["Exported", formatTime(exportedAt)],
          ["By version", driver],
          ["On", `Linux ${host.kernel}, ${host.arch}`],
          ["Arguments", masked ? "masked by its export" : "masked by this page"],
          ["Events", events],
        ]}
      />
    </section>
  );
}

/** Maximum number of tasks in the list. The list of `inspect BUNDLE` shows all, with search and sorting. */
const maxListed = 500;

interface TasksProperties {
  readonly rows: readonly TaskSummary[];
  /** The bundle's key. */
  readonly id: string;
}

function Tasks({ rows, id }: TasksProperties) {
  return (
    <section class="card stacked" aria-label="Tasks of the bundle">
      <h2>
        Tasks{" "}
        <span class="faint">
          {rows.length > maxListed ? `the newest ${maxListed} of ${rows.length}` : "the newest first"}
        </span>
      </h2>
      <Scroll label="List of tasks">
        <table>
          <thead>
            <tr>
              <th scope="col">Task</th>
              <th scope="col">Job</th>
              <th scope="col">Outcome</th>
              <th scope="col">Begun</th>
            </tr>
          </thead>
          <tbody>
            {rows.slice(0, maxListed).map((row) => (
              <tr key={row.id}>
                <th scope="row">
                  <a href={linkTo(["task", row.id], { in: id })}>{row.task}</a>
                </th>
                <td>{row.job}</td>
                <td class={`outcome ${row.outcome.tone}`}>
                  <Mark tone={row.outcome.tone} /> {row.outcome.text}
                </td>
                <td class="time">{formatTime(row.begunAt)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </section>
  );
}
