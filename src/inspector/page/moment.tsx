/** A moment: what the event did, and what the driver knew by then. */
import { formatSpan } from "../../cli/terminal/time.ts";
import type { TaskContext } from "../../machines/taskContext.ts";
import type { MomentView } from "../taskView.ts";
import { Sandbox } from "./sandbox.tsx";

export function Moment({ moment }: { readonly moment: MomentView }) {
  const context = moment.context as TaskContext;
  return (
    <>
      <section class="moment" aria-label="This moment">
        <h3>
          Event {moment.seq}: {moment.type}, then {moment.state}
        </h3>
        {moment.asRecorded ? null : (
          <p class="bad">The machine of today makes something else of it than was recorded.</p>
        )}
        {moment.effects.map(({ effect, report }) => (
          <p key={effect}>
            Effect <b>{effect}</b>
            {report
              ? `, told by ${report.type} (${report.seq}) after ${formatSpan(Math.max(0, report.afterMs))}`
              : ""}
          </p>
        ))}
        <h4>What it changed</h4>
        <table>
          <tbody>
            {moment.changes.map(({ path, before, after }) => (
              <tr key={path}>
                <th scope="row">{path}</th>
                <td>
                  {before === null ? "" : <del>{JSON.stringify(before)}</del>}{" "}
                  {after === null ? "" : <ins>{JSON.stringify(after)}</ins>}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
        <details>
          <summary>All that is remembered</summary>
          <pre>{JSON.stringify(moment.context, null, 2)}</pre>
        </details>
      </section>
      <Sandbox context={context} />
    </>
  );
}
