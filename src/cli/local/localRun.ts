/** What the parts of a local run share. */
import type { Interrupts } from "./interrupts.ts";
import type { Placement } from "./placeTask.ts";
import type { PluginSession } from "./pluginSession.ts";
import type { RunConsole } from "./runConsole.ts";

export interface LocalRun extends Placement {
  readonly session: PluginSession;
  readonly console: RunConsole;
  readonly interrupts: Interrupts;
  /** Folder of everything that the run makes on disk. */
  readonly work: string;
}
