/** What earlier runs of a task say about a run: loops, and the changes since the last good run. */
import { describe, expect, it } from "vitest";
import { History } from "../../../src/history/replay/history.ts";
import { earlierRunSentences } from "../../../src/history/why/earlierRuns.ts";
import { goodRunWords } from "../../../src/history/why/facts.ts";
import type { EventData, TaskEvent } from "../../../src/machines/events.ts";
import { event, numberedId, portInUse, sampleData } from "../../support/history/history.ts";
import { RecordedLog } from "../../support/history/recordedLog.ts";

let runs = 0;

/** A run that began so many seconds after the first. */
function run(
  second: number,
  {
    request = {},
    exit = {},
    stopped = false,
    ranMs = 500,
  }: {
    request?: Partial<EventData<"requested">>;
    exit?: Partial<EventData<"exited">>;
    stopped?: boolean | string;
    ranMs?: number;
  } = {},
): History {
  const time = 1_700_000_000_000 + second * 1_000;
  const at = (each: TaskEvent, after = 0): TaskEvent => ({ ...each, time: time + after });
  const events = [
    at(event("requested", request)),
    at(event("fingerprinted")),
    at(event("sandboxed")),
    at(event("started"), 10),
    ...(stopped === false
      ? []
      : [at(event("stopRequested", stopped === true ? {} : { reason: stopped }), ranMs)]),
    at(event("exited", { endedAt: time + 10 + ranMs, ...exit }), 10 + ranMs),
  ];
  runs += 1;
  return historyOf(numberedId(runs), events);
}

function historyOf(id: string, events: readonly TaskEvent[]): History {
  return new History(id, new RecordedLog().add(id, events).events(id));
}

/** A run that began so many seconds after the first, and is not over. */
function underWay(
  second: number,
  request: Partial<EventData<"requested">> = {},
  id = numberedId(1),
): History {
  const time = 1_700_000_000_000 + second * 1_000;
  const events = [
    event("requested", request),
    event("fingerprinted"),
    event("sandboxed"),
    event("started"),
  ].map((each) => ({ ...each, time }));
  return historyOf(id, events);
}

const failed = (second: number, more: Parameters<typeof run>[1] = {}) =>
  run(second, { exit: { exitCode: 1, cause: portInUse }, ...more });
const texts = (own: History, ...earlier: History[]) =>
  earlierRunSentences(own, earlier).map(({ text }) => text);
const request = sampleData("requested");

describe("the comparison with the last good run", () => {
  it("names variables, options and resources that differ", () => {
    const good = run(0);
    const own = failed(7_200, {
      request: {
        envKeys: ["NOMAD_TASK_DIR", "PORT"],
        resources: { ...request.resources, memoryMb: 32 },
        options: { ...request.options, args: ["-m", "other"] },
      },
    });
    const [text = ""] = texts(own, good);
    expect(text).toMatch(/^Since its last good run, 2 h before: /);
    expect(text).toContain("variable PATH is missing");
    expect(text).toContain("variable PORT is new");
    expect(text).toContain("resources.memoryMb 64 → 32");
    expect(text).toContain("options.args differs");
    expect(text).not.toContain("other");
  });

  it("says that the program has changed, if both runs have its digest", () => {
    const program = { bytes: 4_096, digest: "0a" };
    const good = run(0, { exit: { program } });
    const failedWith = (exit: Partial<EventData<"exited">>) => failed(60, { exit: { exitCode: 1, ...exit } });
    const changed =
      "Since its last good run, 1 min before: the program /usr/bin/python3 has changed (digest)";
    expect(texts(failedWith({ program: { ...program, digest: "0b" } }), good)).toEqual([changed]);
    expect(texts(failedWith({ program: { ...program, bytes: 4_097 } }), good)).toEqual([changed]);
    const same = [expect.stringContaining("are those of its last good run")];
    expect(texts(failedWith({ program }), good)).toEqual(same);
    expect(texts(failedWith({}), good)).toEqual(same);
    expect(texts(failedWith({ program }), run(0))).toEqual(same);
  });

  it("says what was found out at the end if the good run is not in the log any more", () => {
    const changes = ["variable PATH is missing", "options.user differs"];
    const own = failed(60, { exit: { exitCode: 1, changes } });
    const said = earlierRunSentences(own, [failed(50)]);
    expect(said).toMatchObject([{ text: `Since its last good run: ${changes.join("; ")}`, events: [5] }]);
    expect(texts(own, run(0))).toEqual([expect.stringContaining("are those of its last good run")]);
  });

  it("names the good run, for a link to it", () => {
    const [good, own] = [run(0), failed(60)];
    expect(earlierRunSentences(own, [failed(50), good])).toMatchObject([
      { text: expect.stringContaining(goodRunWords), goodRun: good.stream },
    ]);
  });

  it("says if nothing differs, and skips failed runs and other tasks", () => {
    const other = run(50, { request: { jobId: "another" } });
    expect(texts(failed(100), other, failed(60), run(0))).toEqual([
      "Its request and its host are those of its last good run, 1 min before",
    ]);
    expect(texts(failed(100), other)).toEqual([]);
  });

  it("says if the run was much shorter than the good one", () => {
    expect(texts(failed(10_900, { ranMs: 40 }), run(0, { ranMs: 10_800_000 }))).toEqual([
      "Its request and its host are those of its last good run, 3 h before; it ran for 40 ms, the good one for 3 h",
    ]);
  });

  it("takes a service that was stopped after a while for a good run, and a good run has no sentence", () => {
    const service = run(0, { stopped: true, ranMs: 90_000 });
    expect(texts(failed(200), service)).toHaveLength(1);
    expect(texts(run(300), failed(200), service)).toEqual([]);
  });
});

describe("a loop", () => {
  it("of equal failures is counted since the first of them", () => {
    const equal = [40, 30, 20].map((second) => failed(second));
    const different = run(10, { exit: { exitCode: 7, cause: null } });
    expect(texts(failed(50), ...equal, different, failed(0))).toEqual([
      expect.stringMatching(/^It is the 4th run in a row that ended so, in 31 s, since 2023-11-14 /),
    ]);
    expect(texts(failed(50), failed(40))).toEqual([]);
  });

  it("of stops soon after the start names what does this", () => {
    const stopped = (second: number) =>
      run(second, { stopped: true, ranMs: 2_000, exit: { exitCode: 143, signal: 15 } });
    expect(texts(stopped(8), stopped(4), stopped(0))).toEqual([
      expect.stringMatching(
        /^It is the 3rd run in 10 s that the agent stopped soon after its start, this one after 2 s: a failing check/,
      ),
    ]);
  });

  it("of stops names the reason that whoever stopped it has given", () => {
    const stopped = (second: number) =>
      run(second, {
        ...{ stopped: "check web failed 3 times in a row", ranMs: 2_000 },
        exit: { exitCode: 143, signal: 15 },
      });
    const [text] = texts(stopped(8), stopped(4), stopped(0));
    expect(text).toMatch(/, this one after 2 s: check web failed 3 times in a row$/);
  });

  it("is of one instance of the group", () => {
    const of = (allocIndex: number) => (second: number) => failed(second, { request: { allocIndex } });
    const [zero, one] = [of(0), of(1)];
    expect(
      texts(one(60), zero(50), one(40), zero(30), one(20), run(10, { request: { allocIndex: 0 } })),
    ).toEqual([
      expect.stringMatching(/^It is the 3rd run in a row that ended so, in 41 s/),
      expect.stringMatching(/ of its last good run, 50 s before$/),
    ]);
    expect(texts(one(60), zero(50), one(40), zero(30))).toEqual([]);
  });

  it("of many runs is counted up to a limit", () => {
    const many = Array.from({ length: 200 }, (_, index) => failed(1_000 - index));
    expect(texts(failed(2_000), ...many)[0]).toMatch(/^It is the 51st run in a row/);
  });
});

describe("a run that is not over", () => {
  it("is said to be restarted again and again, with the commonest end", () => {
    const others = [50, 40, 30].map((second) => failed(second));
    const killed = run(20, { exit: { exitCode: 137, signal: 9, oomKilled: true } });
    const [text, ...more] = texts(underWay(60), ...others, killed, run(10, { ranMs: 90_000 }), failed(0));
    expect(more).toEqual([]);
    expect(text).toMatch(
      /^It was restarted: 4 runs in a row before it ended badly or within 1 min, in 40 s since 2023-11-14 .*; the commonest end, 3 times: /,
    );
    expect(text).toContain(`3 times: ${portInUse.text}`);
  });

  it("says why earlier runs were stopped soon, and if all of them ended alike", () => {
    const stopped = (second: number) => run(second, { stopped: true, ranMs: 2_000 });
    expect(texts(underWay(9), stopped(6), stopped(3), stopped(0))).toEqual([
      expect.stringMatching(/; the commonest end, each of them: stopped by the agent soon after its start$/),
    ]);
  });

  it("counts runs that completed at once only in its own allocation", () => {
    const runsOf = (allocation: string) =>
      [3, 2, 1].map((second) => {
        const { events } = run(second);
        return historyOf(
          `${allocation}/web/0000000${second}`,
          events.map(({ type, time, data }) => ({ type, time, data }) as TaskEvent),
        );
      });
    const own = underWay(4, {}, "6f2d4a9e/web/00000004");
    expect(texts(own, ...runsOf("6f2d4a9e"))).toEqual([expect.stringMatching(/each of them: completed$/)]);
    expect(texts(own, ...runsOf("7f2d4a9e"))).toEqual([]);
  });

  it("has no such sentence after few runs, after good ones, and after those of another instance", () => {
    expect(texts(underWay(60), failed(50), failed(40))).toEqual([]);
    expect(texts(underWay(60), run(50), failed(40), failed(30), failed(20))).toEqual([]);
    const others = [50, 40, 30].map((second) => failed(second, { request: { allocIndex: 1 } }));
    expect(texts(underWay(60, { allocIndex: 0 }), ...others)).toEqual([]);
  });
});
