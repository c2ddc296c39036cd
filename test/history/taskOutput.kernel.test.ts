/**
 * Log files in a folder that a task can write to. The driver opens nothing else that the task has put there.
 */
import { closeSync, linkSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { mkfifo } from "../../src/effects/kernel/libc.ts";
import { LogFiles, logPlaces, readAt } from "../../src/effects/logs/logFiles.ts";
import { temporaryFolder } from "../support/host/temporaryFolder.ts";

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
