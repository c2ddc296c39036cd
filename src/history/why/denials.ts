/** Sentences that say what the sandbox denied a task, and what would allow it. Pure. */

import { describeDenial } from "../../effects/landlock/denial.ts";
import { adviceFor, isProbe } from "../../effects/verdicts.ts";
import { type Refusal, refusalKey } from "../../machines/events/denied.ts";
import type { TaskContext } from "../../machines/taskContext.ts";
import { countOf, formatRepetition, formatTimes } from "../../units/counts.ts";
import { formatDuration } from "../../units/durations.ts";
import { type Fact, ofType, type Sentence, sentence } from "./facts.ts";

/** Maximum number of refusals with a sentence of their own. The newest refusals are the most useful. */
const maxNamed = 3;

/** @param hasFailed whether the task failed. If so, the sentences also say what would allow the access */
export function denialSentences(
  facts: readonly Fact[],
  context: TaskContext,
  hasFailed: boolean,
): Sentence[] {
  const { denials, startedAt } = context;
  const events = ofType(facts, "denied");
  if (context.request === null) return [];
  const named = denials.refusals.filter((refusal) => !isProbe(refusal, context)).slice(-maxNamed);
  const others = denials.refusals.length - named.length;
  return [
    ...named.flatMap((refusal) => {
      const key = refusalKey(refusal);
      const seen = events.filter(({ data }) => data.refusals.some((each) => refusalKey(each) === key));
      const advice = hasFailed ? adviceFor(refusal, context) : "";
      return [
        ...sentence(seen, `It was denied ${textOf(refusal, startedAt)}`),
        ...(advice === "" ? [] : sentence(seen, advice)),
      ];
    }),
    ...(others === 0 ? [] : sentence(events, othersText(others, named.length))),
    ...(denials.others === 0
      ? []
      : sentence(
          events,
          `It was also denied other accesses, ${formatTimes(denials.others)}; their kinds are not listed`,
        )),
    ...(denials.lost === 0
      ? []
      : sentence(events, `The kernel counted ${countOf(denials.lost, "further denial")}, without a record`)),
  ];
}

/** The text of a refusal, such as `reading /etc/passwd (grep, 12 ms after its start), twice`. */
function textOf(refusal: Refusal, startedAt: number | null): string {
  const { program, firstAt, count } = refusal;
  const name = program === null ? [] : [program.slice(program.lastIndexOf("/") + 1)];
  // The kernel's clock for records is coarser than the driver's, so a denial may seem to precede the start.
  const after =
    startedAt === null ? [] : [`${formatDuration(Math.max(0, firstAt - startedAt))} after its start`];
  const times = formatRepetition(count);
  return `${describeDenial(refusal)} (${[...name, ...after].join(", ")})${times && `, ${times}`}`;
}

function othersText(others: number, named: number): string {
  const [count, things] = others === 1 ? ["one", "thing"] : [String(others), "things"];
  return named === 0
    ? `It was denied ${count} ${things} that programs try but do not need; its events list them`
    : `Its events list ${count} more ${things} that the sandbox denied`;
}
