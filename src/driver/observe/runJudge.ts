/** Judges an observed run by the candidate while it runs, and records what that would have refused. */
import { realpath } from "node:fs/promises";
import { judgeRun } from "../../history/policy/judge.ts";
import { notEnded, observedRun } from "../../history/policy/observedRun.ts";
import { entriesIn } from "../../history/policy/requirements.ts";
import type { EventData } from "../../machines/events.ts";
import type { RecordedTask } from "../history/recordedTask.ts";
import type { Candidate } from "./candidate.ts";

/** Maximum number of things, and of reasons, that the events of a run name. */
const maxNamed = 100;

export class RunJudge {
  readonly #task: RecordedTask;
  /** What events name, and what they only count, of the candidate with this digest. */
  #told = { digest: "", things: new Set<string>() };

  constructor(task: RecordedTask) {
    this.#task = task;
  }

  /** @param used all that the run is known to have used */
  async judge(used: EventData<"observed">, candidate: Candidate): Promise<void> {
    const task = this.#task;
    const event = { type: "observed", data: used, time: Date.now(), stream: task.id };
    const run = observedRun(task.snapshot.context, [event]);
    if (run === undefined) return;
    const links = new Map([...(await linksIn(candidate)), ...run.links]);
    const verdict = judgeRun({ ...run, links }, candidate.options);
    const { wouldDeny: before } = task.snapshot.context;
    const known = before.digest === candidate.digest ? before : { refused: [], unclear: [] };
    if (this.#told.digest !== candidate.digest)
      this.#told = {
        digest: candidate.digest,
        things: new Set([...known.refused, ...known.unclear.map(kindOf)]),
      };
    const { things } = this.#told;
    const isNew = (text: string) => !things.has(text);
    const refused = verdict.refused.filter(isNew);
    const reasons = [...verdict.unclear, ...run.gaps.filter((gap) => gap !== notEnded)];
    const strange = reasons.filter((reason) => isNew(kindOf(reason)));
    const unclear = strange.slice(0, Math.max(0, maxNamed - known.unclear.length));
    if (refused.length === 0 && unclear.length === 0) return;
    const named = refused.slice(0, Math.max(0, maxNamed - known.refused.length));
    const isRecorded = await task.record("wouldDeny", {
      ...{ candidate: candidate.file, digest: candidate.digest },
      ...{ refused: named, others: refused.length - named.length, unclear },
    });
    if (isRecorded) for (const text of [...refused, ...strange.map(kindOf)]) things.add(text);
  }
}

/** A reason without its numbers, which may grow while the run goes. */
function kindOf(reason: string): string {
  return reason.replaceAll(/\b\d+\b/g, "…");
}

/** Where the paths of the candidate's own entries lead, but for those that are what they are. Never rejects. */
async function linksIn({ options }: Candidate): Promise<(readonly [path: string, leadsTo: string])[]> {
  const links = entriesIn(options, new Map()).map(async ({ path }) => {
    const leadsTo = await realpath(path).catch(() => path);
    return leadsTo === path ? [] : [[path, leadsTo] as const];
  });
  return (await Promise.all(links)).flat();
}
