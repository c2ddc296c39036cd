/** All event logs below a state folder, read as one. */
import { existsSync } from "node:fs";
import { merge, type Observable } from "rxjs";
import { DriverError } from "../../errors.ts";
import type { EventReader, StoredEvent, StreamHead } from "../../store/eventStore.ts";
import { openEventReader } from "../../store/lmdbEventStore.ts";
import { stateFolderPaths } from "../../store/stateFolder.ts";
import { stateFolders } from "../local/localState.ts";
import { chooseTask, type TaskHistory, taskHistory } from "./taskHistory.ts";

/** A log, and how far it had come when it was opened. */
interface OpenLog {
  readonly reader: EventReader;
  readonly end: number;
}

/** A task in the log that it is in. */
export interface FoundTask {
  readonly id: string;
  readonly head: StreamHead;
  readonly reader: EventReader;
}

/** Folders of the logs that are there. */
export function logFolders(stateDir: string): string[] {
  const folders = stateFolders(stateDir).map((folder) => stateFolderPaths(folder).events);
  return folders.filter((folder) => existsSync(folder));
}

export class EventLogs {
  readonly folders: readonly string[];
  readonly #logs: readonly OpenLog[];

  private constructor(folders: readonly string[], logs: readonly OpenLog[]) {
    this.folders = folders;
    this.#logs = logs;
  }

  /** @throws DriverError `STORE_FAILED` where there is none, or one cannot be read */
  static async open(stateDir: string): Promise<EventLogs> {
    const present = logFolders(stateDir);
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
    return new EventLogs(present, logs);
  }

  /** Of all tasks, by the time when they were asked for. */
  histories(): TaskHistory[] {
    const histories = this.#logs.flatMap(({ reader }) =>
      [...reader.streams()].map(({ stream }) => taskHistory(stream, [...reader.readStream(stream)])),
    );
    return histories.sort((a, b) => a.begunAt - b.begunAt);
  }

  /** The logs themselves. */
  get readers(): readonly EventReader[] {
    return this.#logs.map(({ reader }) => reader);
  }

  /**
   * The one task that a person means, and the log that it is in. Reads no events.
   * @param name undefined: the only one there is
   * @throws DriverError `TASK_NOT_FOUND` where that is none, or several
   */
  find(name: string | undefined): FoundTask {
    const tasks = this.readers.flatMap((reader) =>
      [...reader.streams()].map((head) => ({ id: head.stream, head, reader })),
    );
    return chooseTask(name ?? "", tasks);
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
