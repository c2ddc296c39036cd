/**
 * Log files in a folder that a task can write to. The driver opens nothing else that the task has put there.
 */
import {
  appendFileSync,
  chownSync,
  closeSync,
  linkSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { mkfifo } from "../../../src/effects/kernel/libc.ts";
import { LogFiles, logPlaces, openOwnLogs, readAt } from "../../../src/effects/logs/logFiles.ts";
import { LogStream, maxSeekBytes } from "../../../src/effects/logs/logStream.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";

/** An allocation's folder with a log, and the path of its pipe. */
function makeLogs(): { readonly allocDir: string; readonly pipe: string } {
  const allocDir = temporaryFolder();
  const logs = join(allocDir, "alloc/logs");
  mkdirSync(logs, { recursive: true });
  writeFileSync(join(logs, "web.stdout.0"), "own\n");
  return { allocDir, pipe: join(logs, ".web.stdout.fifo") };
}

function textOf(files: LogFiles, index: number): string | undefined {
  const file = files.open(index);
  if (file === undefined) return undefined;
  const text = readAt(file, 0, 100).toString();
  closeSync(file);
  return text;
}

describe("log files", () => {
  it("are regular files with one name: no symlink, hard link, pipe or folder is opened, and no call blocks", () => {
    const place = makeLogs();
    const logs = dirname(place.pipe);
    const secret = join(temporaryFolder(), "secret");
    writeFileSync(secret, "secret\n");
    symlinkSync(secret, join(logs, "web.stdout.1"));
    linkSync(secret, join(logs, "web.stdout.2"));
    mkfifo(join(logs, "web.stdout.3"), 0o600);
    mkdirSync(join(logs, "web.stdout.4"));
    writeFileSync(join(logs, "web.stdout.5"), "last\n");
    const files = new LogFiles(place);
    expect(files.indexes()).toEqual([0, 1, 2, 3, 4, 5]);
    expect(files.indexes().map((index) => textOf(files, index))).toEqual([
      "own\n",
      ...[undefined, undefined, undefined, undefined],
      "last\n",
    ]);
    expect(files.open(6)).toBe(undefined);
    files.close();
  });

  it("are found in a folder of few files and of many, and looked for no longer than among some thousands", () => {
    const place = makeLogs();
    const logs = dirname(place.pipe);
    const countOf = () => {
      const files = new LogFiles(place);
      try {
        return files.indexes().length;
      } finally {
        files.close();
      }
    };
    for (const [from, to] of [
      [1, 10],
      [10, 1_500],
    ] as const) {
      for (let index = from; index < to; index += 1) writeFileSync(join(logs, `web.stdout.${index}`), "");
      expect(countOf()).toBe(to);
    }
    expect(statSync(logs).size).toBeGreaterThan(8_192);
    for (let index = 1_500; index < 9_000; index += 1) writeFileSync(join(logs, `web.stdout.${index}`), "");
    expect(countOf()).toBe(8_192);
  });

  it("are read from the original folder, and not from a link's target", () => {
    const place = makeLogs();
    const [logs, other] = [dirname(place.pipe), temporaryFolder()];
    writeFileSync(join(other, "web.stdout.0"), "secret\n");
    const files = new LogFiles(place);
    renameSync(logs, `${logs}.away`);
    symlinkSync(other, logs);
    expect(textOf(files, 0)).toBe("own\n");
    files.close();
    expect(() => new LogFiles(place)).toThrow(expect.objectContaining({ code: "LOG_MISSING" }));
    const outside = { ...place, pipe: join(place.allocDir, "../x/.web.stdout.fifo") };
    expect(() => new LogFiles(outside)).toThrow(expect.objectContaining({ code: "LOG_MISSING" }));
  });

  it("cause an error if a job has logs disabled, or if their paths are unknown", () => {
    const disabled = { allocDir: "/a", stdoutPath: "/dev/null", stderrPath: "/dev/null" };
    for (const request of [null, disabled]) expect(() => logPlaces(request)).toThrow(/LOG_MISSING|logs/);
  });
});

describe("the driver's own files at the start of a run", () => {
  it("are as many as may be kept: older ones are removed, but none that a task has made", () => {
    const { allocDir, pipe } = makeLogs();
    const logs = dirname(pipe);
    const request = { allocDir, stdoutPath: pipe, stderrPath: join(logs, ".web.stderr.fifo") };
    for (const name of ["stdout.1", "stdout.2", "stdout.3", "stdout.4", "stdout.9", "stderr.0"])
      writeFileSync(join(logs, `web.${name}`), name);
    for (const name of ["stdout.1", "stdout.9"]) chownSync(join(logs, `web.${name}`), 65_534, 65_534);
    const namesKept = (maxFiles: number) => {
      const { folder, begin } = openOwnLogs(request, maxFiles);
      closeSync(folder);
      expect(begin).toEqual({ stdout: { file: 4, bytes: 8 }, stderr: { file: 0, bytes: 8 } });
      return readdirSync(logs).sort();
    };
    const all = ["stderr.0", "stdout.0", "stdout.1", "stdout.2", "stdout.3", "stdout.4", "stdout.9"];
    const without = (...gone: string[]) =>
      all.filter((name) => !gone.includes(name)).map((name) => `web.${name}`);
    expect(namesKept(5)).toEqual(without());
    expect(namesKept(3)).toEqual(without("stdout.0"));
    expect(namesKept(1)).toEqual(without("stdout.0", "stdout.2", "stdout.3"));
  });
});

describe("a stream that is followed", () => {
  it.each([
    ["is not", 0],
    ["is", 4],
  ])(
    "has what was added to a file after its end was read, before the next file: which %s held",
    (_, held) => {
      const place = makeLogs();
      const logs = dirname(place.pipe);
      const log = new LogStream(place);
      onTestFinished(() => log.close());
      const next = () => log.read()?.toString();
      expect([next(), next()]).toEqual(["own\n", undefined]);
      // The writer goes on between the reader's look at the file and its look for a next one.
      const { indexes } = LogFiles.prototype;
      const listed = vi.spyOn(LogFiles.prototype, "indexes").mockImplementationOnce(function (
        this: LogFiles,
      ) {
        appendFileSync(join(logs, "web.stdout.0"), "late\n");
        writeFileSync(join(logs, "web.stdout.1"), "next\n");
        return indexes.call(this);
      });
      onTestFinished(() => listed.mockRestore());
      expect([next(), next(), next()]).toEqual(["late\n", "next\n", undefined]);
      for (const index of [2, 3]) writeFileSync(join(logs, `web.stdout.${index}`), `${index}\n`);
      log.hold(held);
      for (const index of [0, 1, 2]) rmSync(join(logs, `web.stdout.${index}`));
      expect([next(), next(), next()]).toEqual(
        held > 0 ? ["2\n", "3\n", undefined] : ["3\n", undefined, undefined],
      );
      expect(log.skipped).toBe(held > 0 ? 0 : 1);
    },
  );
});

describe("the last lines of a stream", () => {
  const lastLines = (place: ReturnType<typeof makeLogs>, count: number, within = maxSeekBytes) => {
    const log = new LogStream(place);
    log.seekLines(count, within);
    let text = "";
    for (let bytes = log.read(); bytes !== undefined; bytes = log.read()) text += bytes.toString();
    log.close();
    return text;
  };

  it("are looked for only near its end, however long a sparse file is that a task has left", () => {
    const place = makeLogs();
    const file = join(dirname(place.pipe), "web.stdout.0");
    truncateSync(file, 8 * 2 ** 40);
    appendFileSync(file, "a\nb\n");
    expect(lastLines(place, 1)).toBe("b\n");
    expect(lastLines(place, 3, 7)).toBe("\0\0\0a\nb\n");
    expect(lastLines(place, 3, 100_000)).toHaveLength(100_000);
  });

  it("go back over several files as far as they are looked for", () => {
    const place = makeLogs();
    writeFileSync(join(dirname(place.pipe), "web.stdout.1"), "next\n");
    expect(lastLines(place, 2)).toBe("own\nnext\n");
    expect(lastLines(place, 2, 7)).toBe("n\nnext\n");
    expect(lastLines(place, 2, 5)).toBe("next\n");
  });
});
