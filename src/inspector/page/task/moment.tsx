/** A moment: the event's effects and changes, and the machine's memory after it. */
import { formatDuration } from "../../../units/durations.ts";
import type { MomentView } from "../../views/taskView.ts";

export function Moment({ moment }: { readonly moment: MomentView }) {
  const { seq, type, state, asRecorded, effects, changes, context, data } = moment;
  return (
    <section class="card moment" aria-label="This moment">
      <h2>
        Event {seq}: <code>{type}</code>, then <code>{state}</code>
      </h2>
      {asRecorded ? null : (
        <p class="bad">This version's machine computes another result than was recorded.</p>
      )}
      <h3>Effects</h3>
      {effects.length === 0 ? <p class="faint">None.</p> : null}
      <ul>
        {effects.map(({ effect, report }) => (
          <li key={effect}>
            <code>{effect}</code>{" "}
            {report === null
              ? "not reported so far"
              : `reported by ${report.type} (event ${report.seq}) after ${formatDuration(Math.max(0, report.afterMs))}`}
          </li>
        ))}
      </ul>
      <h3>Changes in what the driver remembers</h3>
      {changes.length === 0 ? <p class="faint">None.</p> : null}
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
      <details>
        <summary>The event as it is stored</summary>
        <pre>{JSON.stringify(data, null, 2)}</pre>
      </details>
      <details>
        <summary>All that the driver remembers after it</summary>
        <pre>{JSON.stringify(context, null, 2)}</pre>
      </details>
    </section>
  );
}

/** Longer values are cut; the full ones are in the details below. */
const maxLetters = 220;

/** A value that was there before, or is there now; nothing for null. */
export function Value({ kind: Kind, value }: { readonly kind: "del" | "ins"; readonly value: unknown }) {
  if (value === null) return null;
  const text = JSON.stringify(value);
  return <Kind>{text.length > maxLetters ? `${text.slice(0, maxLetters)}…` : text}</Kind>;
}
