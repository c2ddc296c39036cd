/** An observed run: reads what it uses once an hour, and before its end, and records what is new. */
import { readFile, realpath } from "node:fs/promises";
import { join } from "node:path";
import type { Access } from "../../effects/observe/access.ts";
import type { ObservedRun } from "../../effects/observe/observatory.ts";
import { isObserved } from "../../effects/observe/options.ts";
import type { EventData } from "../../machines/events.ts";
import type { TaskContext } from "../../machines/taskContext.ts";
import type { RunGround, RunPart } from "../runPart.ts";
import type { Candidate, NodeCandidate } from "./candidate.ts";
import type { Observer } from "./observer.ts";
import type { RunJudge } from "./runJudge.ts";

const intervalMs = 3_600_000;

/** Maximum time between something new and the judgement on it, in milliseconds. */
const maxPauseMs = 60_000;

type Ground = RunGround<{ readonly observer: Observer; readonly candidate: NodeCandidate }>;

/** What is read and not recorded yet. */
interface Seen {
  readonly accesses: Access[];
  lost: number;
}

export class RunObserver implements RunPart {
  readonly #ground: Ground;
  /** Undefined before there is something to judge by. */
  #judge: RunJudge | undefined;
  #run: Watched | undefined;
  readonly #seen: Seen = { accesses: [], lost: 0 };
  /** All that has been read. */
  #known: EventData<"observed"> | undefined;
  /** The next glance at what is new, and the pause before the one after it: most is new at the begin. */
  #glance: NodeJS.Timeout | undefined;
  #pauseMs = 1;
  /** The reads are one after the other. */
  #looking: Promise<void> = Promise.resolve();

  constructor(ground: Ground) {
    this.#ground = ground;
  }

  /** Also to be called right before the task's program begins, so that nothing is missed. */
  begin(): void {
    const { task, services, watching } = this.#ground;
    const { request, sandbox, startedAt } = task.snapshot.context;
    const { observer } = services();
    if (this.#run !== undefined || observer.tool === undefined || request === null || sandbox === null)
      return;
    const { observe } = request.options;
    if (typeof observe !== "string" || !isObserved(observe, task.id)) return;
    const { cgroup } = request.resources;
    const run = observer.watch(cgroup, this.#candidate === undefined ? undefined : () => this.#glanceSoon());
    if (run === undefined) return;
    const timer = setInterval(() => void this.#look(false).catch(() => {}), intervalMs).unref();
    watching.add(() => {
      clearInterval(timer);
      clearTimeout(this.#glance);
    });
    this.#run = {
      ...{ run, cgroup },
      since: Date.now(),
      fromStart: startedAt === null,
      missedBefore: observer.tool.missed,
      links: linksOf(sandbox.unveiled),
    };
  }

  /** The last look: before the end is recorded, after which the agent may start the next run in the same cgroup. */
  async settle(): Promise<void> {
    await this.#look(true);
  }

  release(): void {
    this.#run?.run[Symbol.dispose]();
  }

  /** @param isGlance whether what is read is only judged, and recorded by a later look */
  async #look(isLast: boolean, isGlance = false): Promise<void> {
    const before = this.#looking;
    const look = before.catch(() => {}).then(() => this.#record(isLast, isGlance));
    this.#looking = look;
    await look;
  }

  async #record(isLast: boolean, isGlance: boolean): Promise<void> {
    const { task, services } = this.#ground;
    const watched = this.#run;
    if (watched === undefined || watched.isOver === true) return;
    const read = await watched.run.read();
    if (read === undefined) return;
    const { unionOfUses, usesOf } = await import("../../effects/observe/uses.ts");
    const lostBefore = this.#seen.lost;
    this.#seen.accesses.push(...read.accesses);
    if (!isLast && this.#seen.accesses.length === 0 && read.lost === lostBefore) return;
    const tool = services().observer.tool;
    const accesses = [...this.#seen.accesses];
    const observed: EventData<"observed"> = {
      ...{ since: watched.since, fromStart: watched.fromStart, isLast },
      ...mutable(usesOf(accesses, ownFolders(task.snapshot.context))),
      links: [...(await watched.links)],
      memoryBytes: await peakIn(watched.cgroup, "memory.peak"),
      processes: await peakIn(watched.cgroup, "pids.peak"),
      lost: read.lost,
      missed: (tool?.missed ?? watched.missedBefore) - watched.missedBefore,
      seesCapabilities: tool?.seesCapabilities ?? false,
    };
    if (!isGlance) {
      await task.record("observed", observed);
      // What could not be recorded comes again with the next look.
      this.#seen.accesses.splice(0, accesses.length);
      this.#seen.lost = read.lost;
    }
    const all = [this.#known ?? [], observed].flat().map(({ moves = [], ...each }) => ({ ...each, moves }));
    this.#known = { ...observed, ...mutable(unionOfUses(all)) };
    if (isLast) watched.isOver = true;
    await this.#judged(this.#known);
  }

  get #candidate(): Candidate | undefined {
    const { request } = this.#ground.task.snapshot.context;
    return request === null ? undefined : this.#ground.services().candidate.for(request);
  }

  /** There is anything new. What the candidate would refuse of it is to be known soon. */
  #glanceSoon(): void {
    this.#glance ??= setTimeout(() => {
      this.#glance = undefined;
      void this.#look(false, true).catch(() => {});
    }, this.#pauseMs).unref();
    this.#pauseMs = Math.min(2 * this.#pauseMs, maxPauseMs);
  }

  async #judged(used: EventData<"observed">): Promise<void> {
    const candidate = this.#candidate;
    if (candidate === undefined) return;
    const { RunJudge } = await import("./runJudge.ts");
    this.#judge ??= new RunJudge(this.#ground.task);
    await this.#judge.judge(used, candidate);
  }
}

interface Watched {
  readonly run: ObservedRun;
  readonly cgroup: string;
  readonly since: number;
  readonly fromStart: boolean;
  readonly missedBefore: number;
  readonly links: Promise<EventData<"observed">["links"]>;
  /** Whether the last look is recorded. */
  isOver?: true;
}

type Unveiled = NonNullable<TaskContext["sandbox"]>["unveiled"];

/** Where the paths of options lead, but for those that are what they are. Never rejects. */
async function linksOf(unveiled: Unveiled): Promise<EventData<"observed">["links"]> {
  const named = unveiled.filter(({ source }) => /\b(?:task|plugin)\b/.test(source));
  const links = named.map(async ({ path }) => {
    const leadsTo = await realpath(path).catch(() => path);
    return leadsTo === path ? [] : [{ path, leadsTo }];
  });
  return (await Promise.all(links)).flat();
}

/** The folders that the run has to itself, or that its job names elsewhere than in `unveil`. */
function ownFolders({ sandbox }: TaskContext): string[] {
  if (sandbox === null) return [];
  const { unveiled, privateTmp } = sandbox;
  const own = unveiled.filter(({ source }) =>
    source.split(", ").some((each) => /^(?:folder|volume|log|cgroup_delegate)$/.test(each)),
  );
  return [...own.map(({ path }) => path), ...(privateTmp ? ["/tmp"] : [])];
}

/** The maximum in a file of the cgroup; null if the controller is missing, or the kernel too old for the file. */
async function peakIn(cgroup: string, file: string): Promise<number | null> {
  const text = await readFile(join(cgroup, file), "utf8").catch(() => "");
  return /^\d+\s*$/.test(text) ? Number(text) : null;
}

function mutable<Lists extends object>(lists: Lists): { [Name in keyof Lists]: string[] } {
  return lists as unknown as { [Name in keyof Lists]: string[] };
}
