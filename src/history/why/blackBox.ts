/** Sentences on what the black box had of a failed run. Pure. */
import { signalName } from "../../base/signalNames.ts";
import { SIGNALLED } from "../../base/taskEnd.ts";
import { type BlackBoxRecord, placeOfCrash, strangerText } from "../../machines/events/blackBox.ts";
import { MASK } from "../../machines/events/defineEvent.ts";
import { formatDuration } from "../../units/durations.ts";
import { type Fact, type Sentence, sentence } from "./facts.ts";

/** Maximum number of different failed calls in the sentence about them: the last ones are the most useful. */
const maxCalls = 4;

/** @param exited the event of the run's end */
export function recordedSentences(exited: Fact<"exited">): Sentence[] {
  const { blackBox, endedAt } = exited.data;
  if (blackBox === undefined) return [];
  const before = (at: number) => `${formatDuration(Math.max(0, endedAt - at))} before its end`;
  const { missed, calls, signals, crash } = blackBox;
  const last = missed.at(-1);
  const paths = missed.length === 1 ? "a path" : `${missed.length} paths`;
  const say = (text: string) => sentence([exited], text);
  return [
    ...(last === undefined
      ? []
      : say(`It missed ${paths} that the host has, the last time ${before(last.at)} (${last.program})`)),
    ...(calls.length === 0
      ? []
      : say(`Its last failed calls: ${callTexts(calls, before).slice(-maxCalls).join("; ")}`)),
    ...(crash === null ? [] : say(crashText(crash, exited.data))),
    ...signals.flatMap((sent) =>
      say(`It got ${signalName(sent.signal)} from ${senderText(sent)}, ${before(sent.at)}`),
    ),
  ];
}

type Call = BlackBoxRecord["calls"][number];

/** A text for each different call, in the order of the last ones. */
function callTexts(calls: readonly Call[], before: (at: number) => string): string[] {
  const equal = new Map<string, { readonly text: string; readonly last: Call; readonly count: number }>();
  for (const last of calls) {
    const { call, error, object, program } = last;
    const text = `${call}${object === null || object === MASK ? "" : ` ${object}`} ${error}`;
    const key = `${text} ${program}`;
    const { count = 0 } = equal.get(key) ?? {};
    equal.delete(key);
    equal.set(key, { text, last, count: count + 1 });
  }
  return Array.from(equal.values(), ({ text, last: { program, at }, count }) =>
    count === 1
      ? `${text} (${program}, ${before(at)})`
      : `${text}, ${count} times (${program}, the last one ${before(at)})`,
  );
}

/** A process may handle the signal of a fault, and go on: virtual machines look in this way at what is mapped. */
function crashText(
  crash: NonNullable<BlackBoxRecord["crash"]>,
  end: { readonly signal: number; readonly exitCode: number },
): string {
  const { signal, program, pid } = crash;
  const isEnd = end.signal === signal || end.exitCode === SIGNALLED + signal;
  return isEnd
    ? `Its process ${pid} (${program}) crashed ${placeOfCrash(crash)}: ${signalName(signal)}`
    : `Its process ${pid} (${program}) got ${signalName(signal)} for a fault ${placeOfCrash(crash)}, which may not have ended it`;
}

function senderText({ sender }: BlackBoxRecord["signals"][number]): string {
  if (sender === null) return "the kernel itself";
  return sender.isOwn ? `its own process ${sender.pid} (${sender.program})` : strangerText(sender);
}
