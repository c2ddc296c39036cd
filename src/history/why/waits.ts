/** The sentence on what a task's threads waited in right before it was killed. Pure. */
import type { EventData } from "../../machines/events.ts";
import { countOf } from "../../units/counts.ts";
import { type Fact, type Sentence, sentence } from "./facts.ts";

type Waits = NonNullable<EventData<"forceKilled">["waits"]>;
type Thread = Waits["threads"][number];

/** Maximum number of processes in the sentence: the main one is the first. */
const maxProcesses = 4;

export function waitSentences(killed: Fact<"forceKilled"> | undefined): Sentence[] {
  const { waits } = killed?.data ?? {};
  if (waits === undefined || waits.threads.length === 0) return [];
  return sentence([killed], `Right before, ${waitsText(waits)}`);
}

/** Such as `both threads waited in futex, as in a deadlock`. */
function waitsText({ threads, more }: Waits): string {
  const processes = [...Map.groupBy(threads, ({ pid }) => pid).values()];
  const shown = processes.slice(0, maxProcesses);
  const left = more + processes.slice(maxProcesses).flat().length;
  const texts = shown.map((own) => {
    const name = own[0]?.program ?? null;
    const of = processes.length === 1 ? "" : ` of ${name ?? "process"} (${own[0]?.pid})`;
    return processText(own, of);
  });
  return [...texts, ...(left === 0 ? [] : [`${countOf(left, "further thread")} not looked at`])].join("; ");
}

function processText(threads: readonly Thread[], of: string): string {
  const alike = [...Map.groupBy(threads, stateText)].sort(([, one], [, other]) => other.length - one.length);
  const [[what = ""] = []] = alike;
  if (alike.length === 1) {
    const isLocked = threads.length > 1 && threads.every(({ call }) => call === "futex");
    const all =
      threads.length === 1
        ? "its thread"
        : threads.length === 2
          ? "both threads"
          : `all ${threads.length} threads`;
    const whose = of === "" || threads.length > 1 ? `${all}${of}` : `the thread${of}`;
    return `${whose} ${what}${isLocked ? ", as in a deadlock" : ""}`;
  }
  const parts = alike.map(([text, some]) => `${some.length} ${text}`);
  return `of ${threads.length} threads${of}, ${parts.join(", ")}`;
}

function stateText({ state, call, wait, stack }: Thread): string {
  const place = stack[0] ?? wait;
  if (state === "R") return "ran";
  if (state === "T" || state === "t") return "was stopped";
  const where = call ?? (place === null ? "the kernel" : `the kernel (${place})`);
  if (state !== "D") return `waited in ${where}`;
  return `waited in ${where} without heeding signals${call === null || place === null ? "" : ` (${place})`}`;
}
