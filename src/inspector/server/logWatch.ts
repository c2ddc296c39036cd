/**
 * Follows the event logs below a state folder: existing ones, new ones, and replacements of quarantined ones.
 */
import { statSync } from "node:fs";
import { dirname } from "node:path";
import type { Observable, Subscription } from "rxjs";
import { messageOf } from "../../errors.ts";
import { loadBundle } from "../../replay/bundle/loadBundle.ts";
import type { EventReader, StoredEvent } from "../../store/eventStore.ts";
import { importedBundle, logFolders } from "../../store/folder/logFolders.ts";
import { pluginOf } from "../../store/folder/pluginAddress.ts";
import { followRecorded } from "../../store/followableLog.ts";
import { openEventReader } from "../../store/lmdb/eventReader.ts";
import { logFiles } from "../../store/lmdb/lmdbFile.ts";
import type { Problem, Status } from "../views/liveMessage.ts";
import type { TaskIndex } from "./taskIndex.ts";

interface Followed {
  readonly path: string;
  /**
   * The last search for removed histories: the file's time at that moment, and the earliest time of the next
   * search.
   */
  forgotten: { readonly changed: number; readonly next: number };
  readonly reader: EventReader;
  readonly inode: number;
  readonly subscription: Subscription;
  /** Position of the last event that could be read when the log was opened. */
  readonly end: number;
}

export class LogWatch {
  readonly #path: string;
  readonly #index: TaskIndex;
  readonly #logs = new Map<string, Followed>();
  readonly #failures = new Map<string, string>();
  readonly #read = new Map<EventReader, number>();

  /** @param path a state folder, a bundle, or the folder that one was imported into */
  constructor(path: string, index: TaskIndex) {
    const imported = importedBundle(path);
    this.#path = isFile(imported) ? imported : path;
    this.#index = index;
  }

  /** Opens new logs and closes removed ones. {@link status} reports files that are not logs. */
  async look(): Promise<void> {
    const folders = isFile(this.#path) ? [this.#path] : logFolders(this.#path);
    for (const [folder, { inode }] of this.#logs) {
      if (!folders.includes(folder) || inodeOf(folder) !== inode) await this.#closeLog(folder);
    }
    for (const folder of folders) if (!this.#logs.has(folder)) await this.#open(folder);
    for (const folder of this.#failures.keys()) if (!folders.includes(folder)) this.#failures.delete(folder);
    for (const log of this.#logs.values()) this.#forgetRemoved(log);
  }

  /**
   * Removes tasks whose histories are no longer in a log. To look up tens of thousands of tasks takes a
   * while. So it is done only if the log has changed, and uses at most a hundredth of the time.
   */
  #forgetRemoved(log: Followed): void {
    const now = performance.now();
    const changed = changedAt(log.path);
    if (changed === log.forgotten.changed || now < log.forgotten.next) return;
    this.#index.forget(log.reader, (id) => log.reader.version(id) === 0);
    log.forgotten = { changed, next: now + 100 * (performance.now() - now) };
  }

  /** Whether the path is a bundle. */
  get isBundle(): boolean {
    return isFile(this.#path);
  }

  status(): Status {
    const logs = [...this.#logs];
    const plugins = logs.map(([folder]) => pluginOf(dirname(folder)));
    const ready = logs.every(([, { reader, end }]) => (this.#read.get(reader) ?? 0) >= end);
    return {
      path: this.#path,
      bundle: this.isBundle,
      problems: this.#problems(logs.length, plugins),
      plugins: plugins.flatMap((pid) => pid ?? []),
      ready,
    };
  }

  /** Bytes of the files of all logs. */
  bytes(): number {
    return [...this.#logs.keys()].reduce((sum, folder) => sum + bytesOf(folder), 0);
  }

  async close(): Promise<void> {
    for (const folder of [...this.#logs.keys()]) await this.#closeLog(folder);
  }

  async #open(folder: string): Promise<void> {
    try {
      const { reader, events } = isFile(folder) ? await openBundle(folder) : await openLog(folder);
      this.#failures.delete(folder);
      const subscription = events.subscribe({
        next: (event) => {
          this.#read.set(reader, event.position);
          this.#index.take(reader, event);
        },
        error: (thrown) => this.#failures.set(folder, messageOf(thrown)),
      });
      const forgotten = { changed: changedAt(folder), next: 0 };
      const [inode, end] = [inodeOf(folder), lastIntact(reader)];
      this.#logs.set(folder, { path: folder, forgotten, reader, subscription, inode, end });
    } catch (thrown) {
      this.#failures.set(folder, messageOf(thrown));
    }
  }

  async #closeLog(folder: string): Promise<void> {
    const log = this.#logs.get(folder);
    if (log === undefined) return;
    this.#logs.delete(folder);
    this.#read.delete(log.reader);
    log.subscription.unsubscribe();
    this.#index.forget(log.reader, () => true);
    await log.reader.close();
  }

  #problems(open: number, plugins: readonly (number | undefined)[]): Problem[] {
    const failures = [...this.#failures.values()].map((text): Problem => ({ kind: "unreadable", text }));
    const damage = [...this.#logs.values()].flatMap(({ reader }) => reader.damage);
    const missing = open === 0 && failures.length === 0;
    const { unreadable } = this.#index;
    const bundle = this.isBundle;
    const running = this.#index.someUnderway();
    const pluginExited = !bundle && running && plugins.every((pid) => pid === undefined);
    return [
      ...failures,
      ...(missing ? [{ kind: "missing", text: `There is no event log in ${this.#path}.` } as const] : []),
      ...(damage.length > 0 ? [{ kind: "damaged", text: damageText(damage) } as const] : []),
      ...(unreadable ? [{ kind: "newer", text: unreadable } as const] : []),
      ...(pluginExited ? [{ kind: "pluginGone", text: pluginGone } as const] : []),
    ];
  }
}

interface Opened {
  readonly reader: EventReader;
  /** Stored events, then new ones. */
  readonly events: Observable<StoredEvent>;
}

async function openBundle(path: string): Promise<Opened> {
  const { reader } = await loadBundle(path);
  return { reader, events: followRecorded(reader) };
}

async function openLog(folder: string): Promise<Opened> {
  const reader = await openEventReader(folder);
  return { reader, events: reader.follow() };
}

function damageText(damage: readonly string[]): string {
  const more = damage.length > 1 ? `, and ${damage.length - 1} more` : "";
  return `The log is damaged: ${damage[0]}${more}. replay --check shows which tasks are affected.`;
}

/**
 * Maximum number of damaged events at the end of a log that are recognized as such. If there are more, the
 * log counts as read at once, and its tasks appear as they are read.
 */
const maxDamagedAtEnd = 100;

function lastIntact(reader: EventReader): number {
  const last = reader.lastPosition();
  for (let from = last; from > Math.max(0, last - maxDamagedAtEnd); from--) {
    for (const { position } of reader.readIntact(from)) return position;
  }
  return 0;
}

const pluginGone =
  "No plugin is running. Tasks keep running; their events appear once a plugin has taken them over. The Nomad agent restarts it automatically.";

/** Time of the last write to a log; 0 if it was removed. */
function changedAt(folder: string): number {
  const file = isFile(folder) ? folder : logFiles(folder).data;
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/** Identifies a log's file, because another one may take over its name. */
function inodeOf(folder: string): number {
  return dataOf(folder)?.ino ?? 0;
}

function bytesOf(folder: string): number {
  return dataOf(folder)?.size ?? 0;
}

function dataOf(folder: string) {
  return statSync(isFile(folder) ? folder : logFiles(folder).data, { throwIfNoEntry: false });
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}
