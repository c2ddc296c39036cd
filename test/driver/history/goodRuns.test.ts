/** The last good run of a task that fails, in a log of many runs. */
import { describe, expect, it } from "vitest";
import { GoodRuns } from "../../../src/driver/history/goodRuns.ts";
import { History } from "../../../src/history/replay/history.ts";
import type { EventData } from "../../../src/machines/events.ts";
import type { TaskContext } from "../../../src/machines/taskContext.ts";
import { event, numberedId, sampleData } from "../../support/history/history.ts";
import { RecordedLog } from "../../support/history/recordedLog.ts";

const { options } = sampleData("requested");
const variables = (...envKeys: string[]) => ({ envKeys });
const all = variables("HOME", "PATH", "DB_PASSWORD");
const unknown = { grade: "unknown", kind: "unknown", text: "its cause is not known", line: null } as const;
let runs = 0;

async function changesBefore(failed: TaskContext, good: GoodRuns) {
  if (failed.exit === null) throw new Error("the run goes on");
  return (await good.withChanges({ ...failed, exit: null }, failed.exit)).changes;
}

class Runs extends RecordedLog {
  /** Adds a run, and returns its id. */
  run(
    request: Partial<EventData<"requested">>,
    exit: Partial<EventData<"exited">> = { exitCode: 0 },
  ): string {
    runs += 1;
    const begun = [event("requested", request), event("fingerprinted"), event("sandboxed"), event("started")];
    this.add(numberedId(runs), [...begun, event("exited", exit)]);
    return numberedId(runs);
  }

  context(id: string): TaskContext {
    return new History(id, this.events(id)).finalState.context;
  }

  /** The context of a run that has failed, which need not be in the log yet. */
  failed(request: Partial<EventData<"requested">>): TaskContext {
    const later = new Runs();
    return later.context(later.run(request, { exitCode: 1, cause: unknown }));
  }
}

describe("what has changed since the last good run", () => {
  it("is found in the log, for a task of the same job, group and name", async () => {
    const log = new Runs();
    log.run(all);
    log.run({ ...all, jobId: "other", options: { ...options, command: "other" } });
    log.run(variables("HOME"), { exitCode: 1, cause: unknown });
    const good = new GoodRuns(log.reader());
    expect(await changesBefore(log.failed(variables("HOME", "PATH")), good)).toEqual([
      "variable DB_PASSWORD is missing",
    ]);
    expect(await changesBefore(log.failed({ ...all, groupName: "none" }), good)).toBeUndefined();
  });

  it("is told if it is one thing or two, and of no values of arguments", async () => {
    const log = new Runs();
    log.run({ ...all, options: { ...options, args: ["--password", "secret"] } });
    const good = new GoodRuns(log.reader());
    const changedBy = (request: Partial<EventData<"requested">>) =>
      changesBefore(
        log.failed({ ...all, options: { ...options, args: ["--password", "secret"] }, ...request }),
        good,
      );
    expect(await changedBy({})).toBeUndefined();
    expect(await changedBy({ options: { ...options, args: ["--password", "other"] } })).toEqual([
      "options.args differs",
    ]);
    expect(await changedBy(variables("HOME", "PATH"))).toHaveLength(1);
    expect(await changedBy(variables("HOME"))).toHaveLength(2);
    expect(await changedBy(variables())).toBeUndefined();
  });

  it("is at most 160 characters for each thing", async () => {
    const log = new Runs();
    log.run(all);
    const good = new GoodRuns(log.reader());
    const [text = ""] = (await changesBefore(log.failed({ ...all, user: "x".repeat(500) }), good)) ?? [];
    expect(text).toHaveLength(160);
  });

  it("is compared with the good runs that this process has seen since", async () => {
    const log = new Runs();
    log.run(all);
    const good = new GoodRuns(log.reader());
    const failed = log.failed(variables("HOME", "PATH"));
    expect(await changesBefore(failed, good)).toHaveLength(1);
    const newer = log.run(variables("HOME", "PATH"));
    const reopened = new GoodRuns(log.reader());
    for (const each of [good, reopened]) {
      each.note(newer, log.context(newer));
      each.note("failed", failed);
      expect(await changesBefore(failed, each)).toBeUndefined();
    }
  });

  it("is nothing if the good run is not in the log any more, or is damaged", async () => {
    const log = new Runs();
    const id = log.run(all);
    const failed = log.failed(variables("HOME", "PATH"));
    const seen = new GoodRuns(new RecordedLog().reader());
    seen.note(id, log.context(id));
    expect(await changesBefore(failed, seen)).toBeUndefined();
    log.flip(2, 200);
    expect(await changesBefore(failed, new GoodRuns(log.reader()))).toBeUndefined();
  });

  it("is searched for in the newest part of the log only, and in one pass for all tasks", async () => {
    const log = new Runs();
    log.run(all);
    const reader = log.reader();
    const from: unknown[] = [];
    const counted: ConstructorParameters<typeof GoodRuns>[0] = {
      lastPosition: () => 1_000_000,
      scanRecords: (take, begin) => {
        from.push(begin);
        return reader.scanRecords(take);
      },
      readRecords: (...which) => reader.readRecords(...which),
      readStream: (...which) => reader.readStream(...which),
      version: (stream) => reader.version(stream),
    };
    const good = new GoodRuns(counted);
    const changes = [log.failed(variables("HOME", "PATH")), log.failed({ ...all, jobId: "other" })].map(
      (each) => changesBefore(each, good),
    );
    expect(await Promise.all(changes)).toEqual([["variable DB_PASSWORD is missing"], undefined]);
    expect(from).toEqual([1_000_000 - 32_768 + 1]);
  });
});
