/** A moment of a task's history: the event, its effects and changes, and the machine's context after it. */
import { formatDuration } from "../../../units/durations.ts";
import type { MomentView } from "../../views/taskView.ts";
import { Details, Value } from "../table.tsx";

export function Moment({ moment }: { readonly moment: MomentView }) {
  const { seq, type, text, state, asRecorded, effects, changes, context, data } = moment;
  return (
    <section class="card moment" aria-label="This moment">
      <h2>
        Event {seq}: <code>{type}</code>, then <code>{state}</code>
      </h2>
      <p>{text}</p>
      {asRecorded ? null : (
        <p class="bad">This version's machine computes a different result from the recorded one.</p>
      )}
      <h3>What the driver did then</h3>
      {effects.length === 0 ? <p class="faint">None.</p> : null}
      <ul>
        {effects.map(({ effect, reports, report }) => (
          <li key={effect}>
            <code>{effect}</code>: {effectMeanings[effect]}
            {report === null
              ? reports
                ? "; not reported so far"
                : ""
              : `; reported by event ${report.seq}, ${report.type}, after ${formatDuration(Math.max(0, report.afterMs))}`}
          </li>
        ))}
      </ul>
      <h3>Changes in what the driver remembers</h3>
      {changes.length === 0 ? (
        <p class="faint">None.</p>
      ) : (
        <table>
          <tbody>
            {changes.map(({ path, before, after }) => (
              <tr key={path}>
                <th scope="row">
                  <code>{path}</code>
                </th>
                <td>
                  <Value kind="del" value={before} /> <Value kind="ins" value={after} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <Details title="The event as it is stored" text={JSON.stringify(data, null, 2)} />
      <Details title="All that the driver remembers after it" text={JSON.stringify(context, null, 2)} />
    </section>
  );
}

const effectMeanings: Readonly<Record<string, string>> = {
  inspectHost: "looked at the kernel's features and the node's cores",
  prepareSandbox: "prepared limits, user, rules and the launch plan",
  launch: "launched the program",
  watchExit: "waited for the run to end",
  sendStopSignal: "ran the stop command, if the task has one, and sent the stop's signal",
  startKillTimer: "waited for the stop's timeout",
  limitEgress: "put the new list of destinations in force",
  killRun: "killed all processes of the run",
  releaseRun: "removed what the run had on the host",
};
