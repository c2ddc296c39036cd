/** What an observed run records, and when: each hour, before its end, and what the candidate would have refused. */
import { Subscription } from "rxjs";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { CandidateTask } from "../../../src/driver/observe/candidate.ts";
import { NodeCandidate } from "../../../src/driver/observe/candidate.ts";
import { RunObserver } from "../../../src/driver/observe/runObserver.ts";
import type { RunGround } from "../../../src/driver/runPart.ts";
import type { Access } from "../../../src/effects/observe/access.ts";
import { type EventData, type EventType, type TaskEvent, taskEvent } from "../../../src/machines/events.ts";
import { fold } from "../../../src/machines/taskMachine.ts";
import { event, life, numberedId, sampleData } from "../../support/history/history.ts";
import { recordingLogger } from "../../support/recordingLogger.ts";

const hour = 3_600_000;
const options = { command: "python3", args: [], unveil: ["r:/srv/a", "r:/srv/b"], observe: "on" };
const read = (path: string): Access => ({ kind: "opened", path, read: true, write: false, created: false });

// Files are as they are named, and cgroups count nothing: so that all that an hour begins is over at once.
vi.mock("node:fs/promises", async (original) => ({
  ...(await original<typeof import("node:fs/promises")>()),
  realpath: async (path: string) => path,
  readFile: async () => "",
}));

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** A run whose set in the kernel the test fills. */
async function observed(tasks: readonly CandidateTask[] = []) {
  const events: TaskEvent[] = life("ended")
    .slice(0, 3)
    .map((each) => (each.type === "requested" ? event("requested", { options }) : each));
  let unread: Access[] = [];
  let lost = 0;
  let isOver = false;
  const task = {
    id: numberedId(1),
    get snapshot() {
      return fold(events);
    },
    record: async <T extends EventType>(type: T, data: EventData<T>) => {
      events.push(taskEvent(type, Date.now(), data));
      return true;
    },
  };
  const watching = new Subscription();
  const candidate = new NodeCandidate(async () => tasks, recordingLogger());
  const read = async () => {
    if (isOver) return undefined;
    const accesses = unread;
    unread = [];
    return { accesses, lost };
  };
  const watched = { read, [Symbol.dispose]: () => (isOver = true) };
  let onNews: (() => void) | undefined;
  const watch = (_: string, wanted?: () => void) => {
    onNews = wanted;
    return watched;
  };
  const observer = { tool: { missed: 0, seesCapabilities: true }, watch };
  const configure = (file: string) => candidate.configure({ candidate: file, observe: "on" } as never);
  await configure(tasks.length > 0 ? "/etc/nomad.d/stricter.nomad.hcl" : "");
  const ground = { task, services: () => ({ observer, candidate }), watching } as unknown as RunGround<never>;
  const part = new RunObserver(ground);
  part.begin();
  events.push(event("started"));
  const of = <T extends EventType>(type: T) =>
    events.flatMap((each) => (each.type === type ? [each.data as EventData<T>] : []));
  return {
    ...{ part, watching, of, configure },
    uses: (...accesses: readonly Access[]) => unread.push(...accesses),
    loses: (count: number) => (lost = count),
    isCurious: () => onNews !== undefined,
    /** Something new is in the set. */
    news: () => onNews?.(),
    passes: async (ms: number) => {
      await vi.advanceTimersByTimeAsync(ms);
      await vi.dynamicImportSettled();
    },
    snapshot: () => task.snapshot,
    /** Lets an hour pass, and the read that it begins. */
    hour: async () => {
      await vi.advanceTimersByTimeAsync(hour);
      await vi.dynamicImportSettled();
    },
  };
}

describe("an observed run", () => {
  it("is read each hour, and has an event if there is anything new", async () => {
    const run = await observed();
    run.uses(read("/srv/a/1"));
    expect(run.of("observed")).toEqual([]);
    await run.hour();
    expect(run.of("observed")).toMatchObject([{ isLast: false, paths: ["r:/srv/a/1"] }]);
    await run.hour();
    expect(run.of("observed")).toHaveLength(1);
    run.uses(read("/srv/b/2"));
    await run.hour();
    expect(run.of("observed")[1]).toMatchObject({ isLast: false, paths: ["r:/srv/b/2"], lost: 0 });
    run.loses(3);
    await run.hour();
    expect(run.of("observed")[2]).toMatchObject({ paths: [], lost: 3 });
    await run.part.settle();
    await run.part.settle();
    expect(run.of("observed").slice(3)).toMatchObject([{ isLast: true, paths: [], lost: 3 }]);
  });

  it("is not read any more once nobody watches it", async () => {
    const run = await observed();
    run.watching.unsubscribe();
    run.uses(read("/srv/a/1"));
    await run.hour();
    expect(run.of("observed")).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });
});

const place = { job: sampleData("requested").jobId, group: "site", task: "web" };
const stricter = (unveil: readonly string[], more: object = {}): CandidateTask => ({
  ...place,
  options: { ...options, unveil, ...more },
});

describe("a run that the candidate judges", () => {
  it("has each thing that this would refuse once, and their number", async () => {
    const run = await observed([stricter(["r:/srv/a"])]);
    run.uses(read("/srv/a/1"));
    await run.hour();
    expect(run.of("wouldDeny")).toEqual([]);
    run.uses(read("/srv/b/2"));
    await run.hour();
    run.uses(read("/srv/b/2"), read("/srv/b/3"));
    await run.hour();
    await run.part.settle();
    expect(run.of("wouldDeny")).toMatchObject([
      {
        ...{ candidate: "/etc/nomad.d/stricter.nomad.hcl", refused: ["r:/srv/b/2"] },
        ...{ others: 0, unclear: [] },
      },
      { refused: ["r:/srv/b/3"], others: 0, unclear: [] },
    ]);
    expect(run.snapshot().context.wouldDeny).toMatchObject({
      ...{ refused: ["r:/srv/b/2", "r:/srv/b/3"], total: 2 },
    });
  });

  it("is judged soon after anything new, ever less often, and recorded by the hour", async () => {
    const run = await observed([stricter(["r:/srv/a"])]);
    run.uses(read("/srv/b/1"));
    run.news();
    run.news();
    await run.passes(2);
    expect(run.of("wouldDeny").flatMap(({ refused }) => refused)).toEqual(["r:/srv/b/1"]);
    for (let index = 2; index <= 20; index += 1) {
      run.uses(read(`/srv/b/${index}`));
      run.news();
      await run.passes(60_000);
    }
    expect(run.of("wouldDeny").flatMap(({ refused }) => refused)).toHaveLength(20);
    run.uses(read("/srv/b/21"));
    run.news();
    await run.passes(59_000);
    expect(run.snapshot().context.wouldDeny.total).toBe(20);
    expect(run.of("observed")).toEqual([]);
    await run.hour();
    expect(run.of("observed")).toHaveLength(1);
    expect(run.of("observed")[0]?.paths).toHaveLength(21);
    expect(run.snapshot().context.wouldDeny.total).toBe(21);
    expect((await observed()).isCurious()).toBe(false);
  });

  it("names a limited number, and counts the others", async () => {
    const run = await observed([stricter(["r:/srv/a"])]);
    run.uses(...Array.from({ length: 130 }, (_, index) => read(`/srv/b/${index}`)));
    await run.part.settle();
    const [event, ...more] = run.of("wouldDeny");
    expect(more).toEqual([]);
    expect(event?.refused).toHaveLength(100);
    expect(event?.others).toBe(30);
    expect(run.snapshot().context.wouldDeny.total).toBe(130);
  });

  it("has why it cannot be judged, without being refused anything", async () => {
    const run = await observed([stricter(["r:/srv/a"], { seccomp: "strict" })]);
    run.uses(read("/srv/a/1"));
    await run.part.settle();
    expect(run.of("wouldDeny")).toMatchObject([
      { refused: [], unclear: ["it ran with another value of seccomp"] },
    ]);
    expect(run.snapshot().context.wouldDeny.total).toBe(0);
  });

  it("begins anew with other options of the candidate, and goes on counting", async () => {
    const tasks = [stricter(["r:/srv/a"])];
    const run = await observed(tasks);
    run.uses(read("/srv/b/2"));
    await run.hour();
    tasks[0] = stricter([]);
    await run.configure("/etc/nomad.d/stricter.nomad.hcl");
    run.uses(read("/srv/a/1"));
    await run.hour();
    expect(run.of("wouldDeny").map(({ refused }) => refused)).toEqual([
      ["r:/srv/b/2"],
      ["r:/srv/a/1", "r:/srv/b/2"],
    ]);
    expect(run.snapshot().context.wouldDeny).toMatchObject({
      refused: ["r:/srv/a/1", "r:/srv/b/2"],
      total: 3,
    });
  });

  it("is not judged by a candidate of another job, or by one that cannot be read", async () => {
    const other = await observed([{ ...stricter([]), job: "other" }]);
    other.uses(read("/srv/b/2"));
    await other.part.settle();
    expect(other.of("wouldDeny")).toEqual([]);
    const log = recordingLogger();
    const broken = new NodeCandidate(async () => {
      throw new Error("no job file");
    }, log);
    await broken.configure({ candidate: "/none", observe: "on" } as never);
    expect(broken.problem).toBe("no job file");
    expect(broken.for(sampleData("requested"))).toBeUndefined();
    expect(log.lines).toMatchObject([{ level: "warn", message: "the candidate cannot be read" }]);
    await broken.configure({ candidate: "/none", observe: "off" } as never);
    expect(broken.problem).toBe("observe is off");
    await broken.configure({ candidate: "", observe: "on" } as never);
    expect(broken.problem).toBeUndefined();
  });
});
