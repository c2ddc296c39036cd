/** What the parts of a local run share. */
import type { Readable } from "node:stream";
import type { PluginSession } from "../plugin/pluginSession.ts";
import type { Interrupts } from "./interrupts.ts";
import type { Placement } from "./placeTask.ts";

/** Where it is told what becomes of tasks. */
export interface RunDisplay {
  note(text: string): void;
  warn(text: string): void;
  fail(thrown: unknown): void;
  /** Passes a task's output on. Resolves at its end. */
  show(task: string, source: Readable, stream: "stdout" | "stderr"): Promise<void>;
}

export interface LocalRun extends Placement {
  readonly session: PluginSession;
  readonly console: RunDisplay;
  readonly interrupts: Interrupts;
  /** Folder of everything that the run makes on disk. */
  readonly work: string;
}
