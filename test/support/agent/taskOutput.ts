/** A task's log folder with files as an agent writes them, and the request that names the folder. */
import { appendFileSync, mkdirSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { temporaryFolder } from "../host/temporaryFolder.ts";

export interface TaskOutput {
  /** The part of the request about logs. */
  readonly request: { readonly allocDir: string; readonly stdoutPath: string; readonly stderrPath: string };
  /** The folder of the files. */
  readonly folder: string;
  /**
   * Overwrites a file. @param changedAt time of the last write in milliseconds since the epoch; default: now
   */
  write(name: string, text: string, changedAt?: number): void;
  append(name: string, text: string): void;
}

export function makeOutput(): TaskOutput {
  const allocDir = temporaryFolder();
  const folder = join(allocDir, "alloc/logs");
  mkdirSync(folder, { recursive: true });
  return {
    request: {
      allocDir,
      stdoutPath: join(folder, ".web.stdout.fifo"),
      stderrPath: join(folder, ".web.stderr.fifo"),
    },
    folder,
    write: (name, text, changedAt = Date.now()) => {
      writeFileSync(join(folder, name), text);
      utimesSync(join(folder, name), changedAt / 1_000, changedAt / 1_000);
    },
    append: (name, text) => appendFileSync(join(folder, name), text),
  };
}
