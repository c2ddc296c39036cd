/** The tasks that run on this node by its event logs: read again only where something was stored. */
import type { Subscription } from "rxjs";
import { logFolders } from "../../store/folder/logFolders.ts";
import { EventLogs } from "../logs/eventLogs.ts";
import { nodeTasks } from "./nodeTasks.ts";
import type { NodeTask } from "./taskRow.ts";

export class RunningTasks {
  readonly #stateDir: string;
  #logs: EventLogs;
  #coming: Subscription;
  /** Undefined where something has happened since. */
  #known: readonly NodeTask[] | undefined;

  private constructor(stateDir: string, logs: EventLogs) {
    this.#stateDir = stateDir;
    this.#logs = logs;
    this.#coming = this.#follow();
  }

  /** @throws DriverError `STORE_FAILED` where there is no event log, or one cannot be read */
  static async open(stateDir: string): Promise<RunningTasks> {
    return new RunningTasks(stateDir, await EventLogs.open(stateDir));
  }

  /** In the order in which they were asked for. A local run brings a log of its own: then all are opened anew. */
  async current(): Promise<readonly NodeTask[]> {
    if (logFolders(this.#stateDir).join() !== this.#logs.folders.join()) {
      await this.close();
      this.#logs = await EventLogs.open(this.#stateDir);
      this.#coming = this.#follow();
      this.#known = undefined;
    }
    this.#known ??= nodeTasks(this.#logs.readers, false);
    return this.#known;
  }

  async close(): Promise<void> {
    this.#coming.unsubscribe();
    await this.#logs.close();
  }

  #follow(): Subscription {
    return this.#logs.coming().subscribe({
      next: () => {
        this.#known = undefined;
      },
      // Then the next reading fails as well, and says so.
      error: () => {
        this.#known = undefined;
      },
    });
  }
}
