/** All event logs below a state folder, read as one. */
import { existsSync } from "node:fs";
import { merge, type Observable } from "rxjs";
import { DriverError } from "../../errors.ts";
import type { EventReader, StoredEvent } from "../../store/eventStore.ts";
import { openEventReader } from "../../store/lmdbEventStore.ts";
import { stateFolderPaths } from "../../store/stateFolder.ts";
import { stateFolders } from "../local/localState.ts";
import { type TaskHistory, taskHistory } from "./taskHistory.ts";

/** A log, and how far it had come when it was opened. */
interface OpenLog {
  readonly reader: EventReader;
  readonly end: number;
}

export class EventLogs {
  readonly #logs: readonly OpenLog[];

  private constructor(logs: readonly OpenLog[]) {
    this.#logs = logs;
  }

  /** @throws DriverError `STORE_FAILED` where there is none, or one cannot be read */
  static async open(stateDir: string): Promise<EventLogs> {
    const folders = stateFolders(stateDir).map((folder) => stateFolderPaths(folder).events);
    const present = folders.filter((folder) => existsSync(folder));
    if (present.length === 0) {
      throw new DriverError("STORE_FAILED", `there is no event log in ${stateDir}`, {
        hint: "Run a job first, or name the driver's state_dir with --state-dir",
      });
    }
    const logs: OpenLog[] = [];
    for (const folder of present) {
      const reader = await openEventReader(folder);
      logs.push({ reader, end: reader.lastPosition() });
    }
    return new EventLogs(logs);
  }

  /** Of all tasks, by the time when they were asked for. */
  histories(): TaskHistory[] {
    const histories = this.#logs.flatMap(({ reader }) =>
      [...reader.streams()].map(({ stream }) => taskHistory(stream, [...reader.readStream(stream)])),
    );
    return histories.sort((a, b) => a.begunAt - b.begunAt);
  }

  /** What was stored when the logs were opened: of one task, or of all by time. */
  events(task?: string): StoredEvent[] {
    const found = this.#logs.flatMap(({ reader, end }) => {
      const events = task === undefined ? reader.readAll() : reader.readStream(task);
      return [...events].filter(({ position }) => position <= end);
    });
    return found.sort((a, b) => a.time - b.time || a.position - b.position);
  }

  /** What has been stored since, and what is to come. */
  coming(): Observable<StoredEvent> {
    return merge(...this.#logs.map(({ reader, end }) => reader.follow(end + 1)));
  }

  async close(): Promise<void> {
    await Promise.all(this.#logs.map(({ reader }) => reader.close()));
  }
}
