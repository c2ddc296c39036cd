/** `logs` and `restart` from end to end, over tasks that `run` has started. */
import { rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LogSpan } from "../../../src/effects/logs/logFiles.ts";
import { LogStream, maxSeekBytes } from "../../../src/effects/logs/logStream.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { call, jobFileOf, shellJob, start } from "../../support/screen/commandLine.ts";

const twoTasks = () =>
  jobFileOf(
    `job "two" { 
  group "g" {
    ${["web", "db"]
      .map(
        (name) => `task "${name}" {
      driver = "exec2"
      config {
        command = "sh"
        args    = ["-c", "echo ${name} one; echo ${name} two; echo ${name} bad >&2; echo up; exec sleep 1000"]
      }
    }`,
      )
      .join("\n")}
  }
}`,
  );

describe("logs", () => {
  it("of one task are its unchanged bytes for each stream, or only the last lines", async () => {
    const stateDir = temporaryFolder();
    const run = start(["run", "--state-dir", stateDir, twoTasks()]);
    await run.seen("web | up");
    const logs = (...args: string[]) => call(["logs", ...args, "--state-dir", stateDir]);
    expect(await logs("web")).toEqual({ code: 0, stdout: "web one\nweb two\nup\n", stderr: "web bad\n" });
    expect(await logs("web", "--tail", "2", "--stdout")).toMatchObject({
      stdout: "web two\nup\n",
      stderr: "",
    });
    expect(await logs("web", "--stderr")).toMatchObject({ stdout: "", stderr: "web bad\n" });
  });

  it("of several tasks have the task's name before each line", async () => {
    const stateDir = temporaryFolder();
    const run = start(["run", "--state-dir", stateDir, twoTasks()]);
    await run.seen("web | up");
    await run.seen("db  | up");
    const { stdout, stderr } = await call(["logs", "web", "db", "-n", "1", "--state-dir", stateDir]);
    expect(stdout.split("\n").sort()).toEqual(["", "db  | up", "web | up"]);
    expect(stderr.split("\n").sort()).toEqual(["", "db  ! db bad", "web ! web bad"]);
  });

  it("that are followed continue until the task ends, and include its last output", async () => {
    const stateDir = temporaryFolder();
    const run = start([
      "run",
      "--state-dir",
      stateDir,
      shellJob("trap 'echo bye; exit 3' INT; echo up; while :; do sleep 0.1; done"),
    ]);
    await run.seen("up");
    const following = start(["logs", "-f", "task", "--state-dir", stateDir]);
    await following.seen("up");
    await call(["stop", "task", "--state-dir", stateDir]);
    expect(await following.ended).toEqual({ code: 0, stdout: "up\nbye\n", stderr: "" });
  });

  it("end silently at Ctrl-C", async () => {
    const stateDir = temporaryFolder();
    const run = start(["run", "--state-dir", stateDir, shellJob("echo up; exec sleep 1000")]);
    await run.seen("up");
    const following = start(["logs", "-f", "task", "--state-dir", stateDir]);
    await following.seen("up");
    following.child.kill("SIGINT");
    expect(await following.ended).toMatchObject({ stdout: "up\n", stderr: "" });
    expect(following.child.signalCode).toBe("SIGINT");
  });

  it("exist after the run if its folder was kept; otherwise there is an error", async () => {
    const stateDir = temporaryFolder();
    await call(["run", "--state-dir", stateDir, shellJob("echo gone")]);
    expect(await call(["logs", "task", "--state-dir", stateDir])).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^LOG_MISSING: task task: its output .*\nhint: run --keep/),
    });
    const kept = await call(["run", "--keep", "--state-dir", stateDir, shellJob("echo kept")]);
    const [, work = ""] = /keeping folders: (\S+)/.exec(kept.stderr) ?? [];
    expect((await call(["logs", "task", "--state-dir", stateDir])).stdout).toBe("kept\n");
    await call(["clean", work]);
    rmSync(work, { recursive: true });
  });
});

describe("logs with times", () => {
  it("are chosen by them, and by a pattern", async () => {
    const stateDir = temporaryFolder();
    const script = `${["one", "two", "three"]
      .map((word) => `echo ${word}; until [ -e $NOMAD_TASK_DIR/${word} ]; do sleep 0.05; done`)
      .join("; ")}; echo dir $NOMAD_TASK_DIR; exec sleep 1000`;
    const run = start([
      ...["run", "-o", "log_collection=driver", "--state-dir", stateDir],
      shellJob(`echo $NOMAD_TASK_DIR.; ${script}`),
    ]);
    const [, local = ""] = /^(\/\S+)\.$/m.exec(await run.seen("one")) ?? [];
    const logs = async (...args: string[]) =>
      await call(["logs", "task", "--stdout", ...args, "--state-dir", stateDir]);
    const told = async (word: string, next: string) => {
      // The logger notes a time once a second.
      await sleep(1_100);
      const at = Date.now();
      writeFileSync(join(local, word), "");
      await run.seen(next);
      return at;
    };
    const two = await told("one", "two");
    const three = await told("two", "three");
    const time = (at: number) => new Date(at).toISOString();
    expect((await logs("--since", time(two))).stdout).toBe("two\nthree\n");
    expect((await logs("--since", time(two), "--until", time(three))).stdout).toBe("two\n");
    expect((await logs("--since", time(two), "--tail", "1")).stdout).toBe("three\n");
    expect((await logs("--since", "1h", "--grep", "^t(w|x)")).stdout).toBe("two\n");
    expect((await logs("--grep", "TWO")).stdout).toBe("");
    const { stdout } = await logs("-t", "--grep", "three");
    expect(stdout).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} three\n$/);
    const shown = Date.parse(stdout.slice(0, 23));
    expect(shown).toBeGreaterThanOrEqual(three);
    expect(shown).toBeLessThanOrEqual(Date.now());
    expect((await logs("--since", "yesterday")).stderr).toContain("Expected a duration, such as 5m");
    expect((await logs("--grep", "(")).stderr).toContain("Expected a regular expression");
  });

  it("are told to be missing if the files with them are gone", async () => {
    const stateDir = temporaryFolder();
    const script = "echo $NOMAD_ALLOC_DIR.; exec sleep 1000";
    const run = start(["run", "--state-dir", stateDir, shellJob(script)]);
    const [, alloc = ""] = /^(\/\S+)\.$/m.exec(await run.seen(".")) ?? [];
    for (const stream of ["stdout", "stderr"]) rmSync(join(alloc, "logs", `.task.${stream}.0.times`));
    const { code, stderr } = await call(["logs", "task", "--since", "5m", "--state-dir", stateDir]);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringMatching(
        /^LOG_TIMES_MISSING: task task: .*\nhint: The files of times .* are gone/,
      ),
    });
    expect((await call(["logs", "task", "--grep", "alloc", "--state-dir", stateDir])).stdout).toBe(
      `${alloc}.\n`,
    );
  });
});

describe("restart", () => {
  it("ends the task with its own signal, and starts it again in the same folder", async () => {
    const stateDir = temporaryFolder();
    const script =
      "echo run >> local/runs; echo up $(wc -l < local/runs); trap 'exit 4' TERM; while :; do sleep 0.1; done";
    const run = start([
      "run",
      "--state-dir",
      stateDir,
      shellJob(`cd $NOMAD_TASK_DIR/..; ${script}`, 'kill_signal = "SIGTERM"'),
    ]);
    await run.seen("up 1");
    expect(await call(["restart", "task", "--state-dir", stateDir])).toEqual({
      code: 0,
      stdout: "",
      stderr: "",
    });
    await run.seen("up 2");
    const { stdout } = await call(["ps", "--all", "--json", "--state-dir", stateDir]);
    const [before, now] = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(before).toMatchObject({ result: "stopped", exitCode: 4, allocation: now.allocation });
    expect(now).toMatchObject({ state: "running", user: before.user });
    // Both runs write to the same file. Each run's logs are its own lines.
    const logsOf = async (...args: string[]) =>
      (await call(["logs", "task", "--stdout", "--state-dir", stateDir, ...args])).stdout;
    expect(await logsOf()).toBe("up 2\n");
    expect(await logsOf("--run", "-1")).toBe("up 1\n");
    expect(await logsOf("--run", "-1", "--tail", "5")).toBe("up 1\n");
    run.child.kill("SIGINT");
    expect((await run.ended).code).toBe(4);
  });

  it("says why the new start failed, and the run ends with this failure", async () => {
    const stateDir = temporaryFolder();
    const run = start(["run", "--state-dir", stateDir, shellJob("echo $NOMAD_TASK_DIR.; exec sleep 1000")]);
    const [, folder = ""] = /^(\/\S+)\.$/m.exec(await run.seen("/local.")) ?? [];
    rmSync(folder, { recursive: true });
    const { code, stderr } = await call(["restart", "task", "--state-dir", stateDir]);
    expect([code, (await run.ended).code]).toEqual([1, 125]);
    expect(stderr).toMatch(/^[A-Z_]+: task task: /);
  });

  it("is refused for a task that does not run", async () => {
    const stateDir = temporaryFolder();
    await call(["run", "--state-dir", stateDir, shellJob("true")]);
    expect(await call(["restart", "task", "--state-dir", stateDir])).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^TASK_NOT_FOUND: task is not running/),
    });
  });
});

describe("kept output", () => {
  it("is read as it was written, wherever the files end", () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: fc.constantFrom("a", "b", "\n") }), { maxLength: 40 }),
        fc.integer({ min: 1, max: 30 }),
        fc.nat(12),
        (chunks, maxBytes, count) => {
          const folder = temporaryFolder();
          const text = chunks.join("");
          const files = text.match(new RegExp(`[^]{1,${maxBytes}}`, "g")) ?? [];
          for (const [index, content] of files.entries())
            writeFileSync(join(folder, `web.stdout.${index}`), content);
          const lines = text.split(/(?<=\n)/);
          expect(readAll(folder)).toBe(text);
          expect(readAll(folder, count)).toBe(count === 0 ? "" : lines.slice(-count).join(""));
        },
      ),
      { numRuns: 60 },
    );
  });

  it("begins with the oldest remaining file, and follows no link", () => {
    const folder = temporaryFolder();
    for (const [index, line] of [
      [1, "two\n"],
      [2, "three\n"],
    ])
      writeFileSync(join(folder, `web.stdout.${index}`), String(line));
    expect(readAll(folder)).toBe("two\nthree\n");
    writeFileSync(join(folder, "secret"), "secret\n");
    symlinkSync("secret", join(folder, "web.stdout.3"));
    expect(readAll(folder)).toBe("two\nthree\n");
  });
});

describe("a part of a stream", () => {
  it("is read, and its last lines, as if it were all of it", () => {
    fc.assert(
      fc.property(
        fc.array(fc.stringMatching(/^[a-c\n]{0,12}$/), { minLength: 1, maxLength: 4 }),
        fc.nat(),
        fc.nat(),
        fc.integer({ min: 0, max: 6 }),
        (files, one, other, tail) => {
          const folder = temporaryFolder();
          for (const [index, text] of files.entries())
            writeFileSync(join(folder, `web.stdout.${index}`), text);
          const all = files.join("");
          const places = files.flatMap((text, file) =>
            Array.from({ length: text.length + 1 }, (_, bytes) => ({ file, bytes })),
          );
          const [from, until] = [one % places.length, other % places.length].sort((a, b) => a - b);
          const [first, last] = [places[from ?? 0], places[until ?? 0]];
          if (first === undefined || last === undefined) throw new Error("no places");
          const offsetOf = ({ file, bytes }: typeof first) => files.slice(0, file).join("").length + bytes;
          const part = all.slice(offsetOf(first), offsetOf(last));
          const span = new LogSpan(first, last);
          expect(readAll(folder, undefined, span)).toBe(part);
          const lines = part.match(/[^\n]*\n|[^\n]+$/g) ?? [];
          expect(readAll(folder, tail, span)).toBe(tail === 0 ? "" : lines.slice(-tail).join(""));
        },
      ),
      { numRuns: 100 },
    );
  });
});

function readAll(folder: string, tail?: number, span?: LogSpan): string {
  const stream = new LogStream({ allocDir: folder, pipe: join(folder, ".web.stdout.fifo") }, span);
  if (tail !== undefined) stream.seekLines(tail, maxSeekBytes);
  const read: Buffer[] = [];
  for (let bytes = stream.read(); bytes !== undefined; bytes = stream.read()) read.push(bytes);
  stream.close();
  return Buffer.concat(read).toString();
}
