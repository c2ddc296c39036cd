/** Explains the state of a task in plain words, with the events that prove each sentence. Pure. */

import { signalName } from "../../base/signalNames.ts";
import { taskName } from "../../base/taskId.ts";
import { commandsIn } from "../../machines/events/running.ts";
import { type EventType, eventCatalogue } from "../../machines/events.ts";
import { limitsOf, type TaskContext } from "../../machines/taskContext.ts";
import { resultOf } from "../../machines/taskOutline.ts";
import type { TaskResult } from "../../machines/taskResults.ts";
import type { UsageSample } from "../../store/usage/usageSample.ts";
import { formatCount } from "../../units/counts.ts";
import { formatDuration } from "../../units/durations.ts";
import { formatZonedTime } from "../../units/times.ts";
import type { LastLines } from "../keptEnd.ts";
import type { History, Moment } from "../replay/history.ts";
import { isDamaged } from "../replay/storedHistory.ts";
import { causeSentence, ending } from "./ending.ts";
import { basedOn, type Fact, ofType, type Sentence, sentence } from "./facts.ts";
import { usageText } from "./usage.ts";

export interface Explanation {
  /** The task's id. */
  readonly id: string;
  readonly task: string;
  readonly job: string;
  readonly state: string;
  /** The task's result; null while it starts or runs. */
  readonly result: TaskResult | null;
  /** The cause, if it is known; what earlier runs say; then the others in the order of events. */
  readonly sentences: readonly Sentence[];
  /** The last lines that a failed run wrote; missing unless its history has them. */
  readonly lastLines?: LastLines;
}

/**
 * @param samples the task's usage, in chronological order
 * @param ofEarlierRuns sentences on the task's earlier runs
 */
export function explain(
  history: History,
  samples: readonly UsageSample[] = [],
  ofEarlierRuns: readonly Sentence[] = [],
): Explanation {
  const explainer = new Explainer();
  for (const moment of history.moments()) explainer.take(moment);
  const { value: state, context } = history.finalState;
  return {
    id: history.stream,
    task: taskName(history.stream),
    job: context.request?.jobId ?? "unknown",
    state,
    result: resultOf(context),
    sentences: explainer.sentences(context, samples, ofEarlierRuns),
  };
}

/** Explains a task from moments that the caller passes one by one. */
export class Explainer {
  /** Facts since the last request: after a failed start, the agent may request the task again. */
  #facts: Fact[] = [];
  readonly #damaged: number[] = [];
  readonly #otherwise: number[] = [];

  take({ seq, event, stored, accepted, asRecorded }: Moment): void {
    if (!asRecorded) (isDamaged(stored) ? this.#damaged : this.#otherwise).push(seq);
    if (event === undefined || !accepted) return;
    if (event.type === "requested") this.#facts = [];
    this.#facts.push({ ...event, seq });
  }

  /**
   * @param context after the last moment
   * @param samples the task's usage, in chronological order
   * @param ofEarlierRuns as for {@link explain}
   */
  sentences(
    context: TaskContext,
    samples: readonly UsageSample[] = [],
    ofEarlierRuns: readonly Sentence[] = [],
  ): Sentence[] {
    const facts = this.#facts;
    return [
      ...causeSentence(facts),
      ...ofEarlierRuns,
      ...beginning(facts),
      ...duringRun(facts),
      ...used(samples, context),
      ...ending(facts, context),
      ...this.#doubts(),
    ];
  }

  /**
   * Names events that are damaged, or that this version's machine handles differently from the machine that
   * recorded them.
   */
  #doubts(): Sentence[] {
    const [damaged, others] = [this.#damaged, this.#otherwise];
    const cause = "this version of the driver computes a different state from the recorded one";
    return [
      ...(damaged.length === 0 ? [] : [basedOn(damaged, "Not certain: some events are damaged")]),
      ...(others.length === 0 ? [] : [basedOn(others, `Not certain: for some events, ${cause}`)]),
    ];
  }
}

function beginning(facts: readonly Fact[]): Sentence[] {
  const [adopted] = ofType(facts, "adopted");
  const [requested] = ofType(facts, "requested");
  if (adopted !== undefined) {
    const begun = formatZonedTime(adopted.data.handle.startedAt);
    const found = adopted.data.found === null ? "this driver found it" : "this driver took it over";
    const text = `HashiCorp's Go driver had started it at ${begun}, and ${found} at ${formatZonedTime(adopted.time)}`;
    return sentence([adopted], text);
  }
  if (requested === undefined) return [];
  const request = `The agent requested it at ${formatZonedTime(requested.time)}`;
  const [[sandboxed], [started]] = [ofType(facts, "sandboxed"), ofType(facts, "started")];
  if (started === undefined) return sentence([requested], request);
  const after = `${formatDuration(Math.max(0, started.time - requested.time))} later`;
  const command = sandboxed ? ` as ${sandboxed.data.command}, uid ${sandboxed.data.uid}` : "";
  return sentence([requested, sandboxed, started], `${request}, and it started ${after}${command}`);
}

function duringRun(facts: readonly Fact[]): Sentence[] {
  const recovered = ofType(facts, "recovered");
  const plugin = recovered.at(-1)?.data.plugin.pid;
  const times = recovered.length === 1 ? "" : `, the last of ${recovered.length} takeovers`;
  const execs = facts.filter(({ type }) => type === "execStarted" || type === "execsRepeated");
  const repeated = ofType(facts, "execsRepeated").reduce((sum, { data }) => sum + commandsIn(data), 0);
  const commands = ofType(facts, "execStarted").length + repeated;
  const stopAsked = ofType(facts, "stopRequested")[0]?.seq ?? Number.POSITIVE_INFINITY;
  const signals = ofType(facts, "signalled").filter(({ seq, data }) => seq < stopAsked && data.delivered);
  const names = [...new Set(signals.map(({ data }) => signalName(data.signal)))];
  const cut = ofType(facts, "exited").filter(({ data }) => data.output?.complete === false);
  return [
    ...sentence(recovered, `While it ran, plugin process ${plugin} took it over from an earlier one${times}`),
    ...sentence(signals, `The agent sent it ${names.join(", ")}`),
    ...sentence(
      execs,
      commands === 1 ? "A command was run in it" : `${formatCount(commands)} commands were run in it`,
    ),
    ...ofEvents(facts),
    ...sentence(
      cut,
      "The end of its output may be missing: the process that writes its log files was killed, and the task ended before another went on",
    ),
  ];
}

/** What the descriptors of events say, in the order of the first events. */
function ofEvents(facts: readonly Fact[]): Sentence[] {
  const all = Object.entries(descriptors).flatMap(([type, { sentences }]) => {
    const some = sentences === undefined ? [] : ofType(facts, type as EventType);
    return some.length === 0 ? [] : (sentences?.(some) ?? []);
  });
  const first = ({ of: [fact] }: (typeof all)[number]) => fact?.seq ?? 0;
  return all
    .toSorted((one, other) => first(one) - first(other))
    .flatMap(({ of, text }) => sentence(of, text));
}

/** The only cast that pairs the facts of a type with its descriptor. */
const descriptors = eventCatalogue as unknown as Readonly<
  Record<EventType, { sentences?(facts: readonly Fact[]): readonly { of: readonly Fact[]; text: string }[] }>
>;

/** The sentence on usage. It is based on samples, not on events. */
function used(samples: readonly UsageSample[], context: TaskContext): Sentence[] {
  const text = usageText(samples, limitsOf(context));
  return text === undefined ? [] : [basedOn([], text)];
}
