/** A run's logger notes when it wrote what, beside each file, whatever happens to it and to the names there. */
import {
  chmodSync,
  mkdirSync,
  openSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { mkfifo } from "../../../src/effects/kernel/libc.ts";
import { newStream } from "../../../src/effects/logs/logger.ts";
import { LogTimes, timesName } from "../../../src/effects/logs/logTimes.ts";
import { until } from "../../support/host/until.ts";
import { LoggedRun } from "../../support/launch/loggedRun.ts";

/** A task that prints each line that it is told to, and when the log file had it. */
class ToldRun extends LoggedRun {
  readonly #gatePath = join(this.logs, "gate");
  #gate = -1;
  /** Offset of each line in all files together, and the times between which it was moved. */
  readonly told: { readonly line: string; readonly after: number; readonly before: number }[] = [];

  async startTold() {
    mkfifo(this.#gatePath, 0o600);
    chmodSync(this.#gatePath, 0o666);
    this.#gate = openSync(this.#gatePath, "r+");
    return await this.startLogged(
      `while read -r line && [ "$line" != end ]; do echo "$line"; done < ${this.#gatePath}`,
    );
  }

  async tell(line: string, written = true): Promise<void> {
    const after = Date.now();
    writeSync(this.#gate, `${line}\n`);
    if (written) await until(() => this.logContent("stdout").includes(`${line}\n`), `${line} is written`);
    this.told.push({ line, after, before: Date.now() });
  }

  async end(): Promise<void> {
    writeSync(this.#gate, "end\n");
    await this.ended();
    await this.logged();
  }

  times(index: number): LogTimes {
    return LogTimes.parse(readFileSync(this.timesFile(index)));
  }

  timesFile(index: number): string {
    return join(this.logs, timesName(`t.stdout.${index}`));
  }

  /** Expects the noted time of each line to be that of its move. */
  expectTimes(): void {
    for (const { line, after, before } of this.told) {
      const index = this.indexes("stdout").find((each) =>
        readFileSync(this.file("stdout", each)).includes(`${line}\n`),
      );
      if (index === undefined) continue;
      const time = this.times(index).at(readFileSync(this.file("stdout", index)).indexOf(`${line}\n`));
      expect(time?.from, line).toBeLessThanOrEqual(before);
      expect(time?.until, line).toBeGreaterThanOrEqual(after);
    }
  }
}

const filler = "x".repeat(3_000);

describe("the times of output", () => {
  it("are noted over rotations, and removed with their file", async () => {
    using run = new ToldRun({ maxFiles: 3, maxFileBytes: 8_192 });
    await run.startTold();
    for (let n = 0; n < 14; n += 1) {
      await run.tell(`line ${n} ${filler}`);
      if (n % 4 === 0) await sleep(1_100);
    }
    await run.end();
    expect(run.indexes("stdout")).toHaveLength(3);
    run.expectTimes();
    const newest = run.indexes("stdout").at(-1) as number;
    const { mode, uid } = statSync(run.timesFile(newest));
    expect({ mode: mode & 0o7777, uid }).toEqual({ mode: 0o644, uid: 0 });
    expect(statSync(run.timesFile(newest - 3), { throwIfNoEntry: false })).toBe(undefined);
  });

  it("go on in the same file after the logger was killed, and in the task's next run", async () => {
    using run = new ToldRun();
    const launched = await run.startTold();
    await run.tell("one");
    await sleep(1_100);
    await run.tell("two");
    process.kill(run.record()?.logger?.pid ?? 0, "SIGKILL");
    await run.logged();
    await run.tell("three", false);
    await sleep(1_100);
    run.told.pop();
    const again = Date.now();
    await run.startAgain(launched);
    await until(() => run.logContent("stdout").includes("three\n"), "the next logger writes");
    run.told.push({ line: "three", after: again, before: Date.now() });
    await run.tell("four");
    await run.end();
    run.expectTimes();
    using next = new ToldRun({
      logs: run.logs,
      streams: { stdout: { ...newStream, index: 0 }, stderr: newStream },
    });
    await next.startLogged("echo five");
    await next.ended();
    await next.logged();
    run.expectTimes();
    const five = next.logContent("stdout").indexOf("five\n");
    expect(next.times(0).at(five)?.from).toBeGreaterThan((run.told.at(-1)?.before ?? 0) - 1_000);
  });

  it("of the newest entries are exact, when the ring has begun anew", async () => {
    // Two entries.
    using run = new ToldRun({ maxFileBytes: 8_192 });
    await run.startTold();
    for (let n = 0; n < 5; n += 1) {
      await run.tell(`line ${n}`);
      await sleep(1_100);
    }
    await run.end();
    run.expectTimes();
    const at = (line: number) => run.times(0).at(line * "line 0\n".length);
    expect((at(4)?.until ?? 0) - (at(4)?.from ?? 0)).toBe(1_000);
    expect((at(1)?.until ?? 0) - (at(1)?.from ?? 0)).toBeGreaterThan(1_000);
  });

  it("begin anew with a file that somebody has truncated", async () => {
    using run = new ToldRun();
    await run.startTold();
    await run.tell(`one ${filler}`);
    writeFileSync(run.file("stdout", 0), "");
    run.told.pop();
    await sleep(1_100);
    await run.tell("two");
    await run.end();
    run.expectTimes();
  });

  it("are kept in no file that somebody else has made, and the output comes without them", async () => {
    using run = new ToldRun({ maxFileBytes: 8_192 });
    const secret = join(run.folder, "secret");
    writeFileSync(secret, "secret\n");
    symlinkSync(secret, run.timesFile(0));
    mkdirSync(run.timesFile(1));
    writeFileSync(run.timesFile(2), Buffer.alloc(64));
    await run.startTold();
    for (let n = 0; n < 8; n += 1) await run.tell(`line ${n} ${filler}`);
    await run.end();
    expect(readFileSync(secret, "utf8")).toBe("secret\n");
    expect(run.times(0).exist).toBe(true);
    expect(statSync(run.timesFile(1)).isDirectory()).toBe(true);
    expect(run.times(2).exist).toBe(true);
    expect(run.logContent("stdout").length).toBe(8 * (filler.length + 8));
  });

  it("whose file has a head that would divide by zero, or is short, are begun anew", async () => {
    for (const content of [Buffer.alloc(64), Buffer.alloc(7), Buffer.alloc(64, 0xff)]) {
      using run = new ToldRun();
      writeFileSync(run.file("stdout", 0), "before\n");
      writeFileSync(run.timesFile(0), content);
      await run.startTold();
      await run.tell("after");
      await run.end();
      run.expectTimes();
      expect(run.times(0).at(0)?.from).toBe(0);
    }
  });
});
