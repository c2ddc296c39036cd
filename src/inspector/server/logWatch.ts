/**
 * Follows the event logs below a state folder: existing logs, new ones, and logs that replace quarantined
 * ones.
 */
import { statSync } from "node:fs";
import { dirname } from "node:path";
import { NEVER, type Observable, type Subscription } from "rxjs";
import { messageOf } from "../../base/errors.ts";
import { loadBundle } from "../../history/replay/bundle/loadBundle.ts";
import type { EventReader, StoredEvent } from "../../store/eventStore.ts";
import { FolderWatch } from "../../store/folder/folderWatch.ts";
import { foldersToWatch, importedBundle, logFiles, logFolders } from "../../store/folder/logFolders.ts";
import { pluginOf } from "../../store/folder/pluginAddress.ts";
import { follow } from "../../store/follow.ts";
import { folderChanges, openEventReader } from "../../store/lmdb/eventReader.ts";
import type { Problem, Status } from "../views/answers.ts";
import type { TaskIndex } from "./taskIndex.ts";

/** Delay of {@link LogWatch.look} after a change to a folder, because several changes come together. */
const afterChangeMs = 20;
/** Delay after a change to a log. It is longer, because a log in use changes all the time. */
const afterCommitMs = 1_000;

interface Followed {
  readonly path: string;
  /**
   * The last search for removed histories: the file's modification time at that moment, and the earliest time
   * of the next search.
   */
  lastSearch: { readonly changed: number; readonly next: number };
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
  /** Logs that cannot be read, by their folders. */
  readonly #failures = new Map<string, Failure>();
  readonly #wake: (withinMs: number) => void;
  #folders: FolderWatch | undefined;
  /** Why the folders cannot be watched; undefined if they are watched. */
  #blind: string | undefined;
  /** For each log, the position of the last event that was read. */
  readonly #read = new Map<EventReader, number>();

  /**
   * @param path a state folder, a bundle, or the folder into which a bundle was imported
   * @param wake called when {@link look} has to be called within the given milliseconds; the status
   *   may then have changed
   */
  constructor(path: string, index: TaskIndex, wake: (withinMs: number) => void) {
    const imported = importedBundle(path);
    this.#path = isFile(imported) ? imported : path;
    this.#index = index;
    this.#wake = wake;
  }

  /** Opens new logs and closes removed ones. {@link status} reports files that are not logs. */
  async look(): Promise<void> {
    this.#watchFolders();
    const folders = isFile(this.#path) ? [this.#path] : logFolders(this.#path);
    for (const [folder, { inode }] of this.#logs) {
      if (!folders.includes(folder) || inodeOf(folder) !== inode) await this.#closeLog(folder);
    }
    for (const folder of folders) if (!this.#logs.has(folder)) await this.#open(folder);
    for (const folder of this.#failures.keys()) if (!folders.includes(folder)) this.#clearFailure(folder);
    for (const log of this.#logs.values()) this.#forgetRemoved(log);
  }

  /**
   * Removes tasks whose histories are no longer in a log. Looking up tens of thousands of tasks takes a
   * while, so the search runs only if the log has changed, and at most one percent of the time.
   */
  #forgetRemoved(log: Followed): void {
    const now = performance.now();
    const changed = changedAt(log.path);
    if (changed === log.lastSearch.changed) return;
    if (now < log.lastSearch.next) {
      this.#wake(log.lastSearch.next - now);
      return;
    }
    this.#index.forget(log.reader, (id) => log.reader.version(id) === 0 && !this.#index.isLost(id));
    log.lastSearch = { changed, next: now + 100 * (performance.now() - now) };
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
    this.#folders?.[Symbol.dispose]();
    for (const folder of [...this.#failures.keys()]) this.#clearFailure(folder);
    for (const folder of [...this.#logs.keys()]) await this.#closeLog(folder);
  }

  /** Called before the search for logs and plugins, so that those that appear meanwhile are noticed. */
  #watchFolders(): void {
    const folders = isFile(this.#path) ? [dirname(this.#path)] : foldersToWatch(this.#path);
    try {
      this.#folders ??= new FolderWatch(() => this.#wake(afterChangeMs));
      for (const folder of folders) this.#folders.add(folder);
      this.#blind = undefined;
    } catch (thrown) {
      this.#blind = `New logs and the end of plugins go unnoticed: ${messageOf(thrown)}`;
    }
  }

  /** A log that cannot be read is tried again once it changes. */
  #fail(folder: string, thrown: unknown): void {
    this.#clearFailure(folder);
    const changes = isFile(folder) ? NEVER : folderChanges(folder);
    const watch = changes.subscribe({ next: () => this.#wake(afterCommitMs), error: () => undefined });
    this.#failures.set(folder, { text: messageOf(thrown), watch });
  }

  #clearFailure(folder: string): void {
    this.#failures.get(folder)?.watch.unsubscribe();
    this.#failures.delete(folder);
  }

  async #open(folder: string): Promise<void> {
    try {
      const { reader, events, commits } = isFile(folder) ? await openBundle(folder) : await openLog(folder);
      this.#clearFailure(folder);
      const end = lastIntact(reader);
      const fail = (thrown: unknown) => this.#fail(folder, thrown);
      const subscription = events.subscribe({
        next: (event) => {
          this.#read.set(reader, event.position);
          this.#index.take(reader, event);
          // The whole log has been read, so its status changes to ready.
          if (event.position === end) this.#wake(0);
        },
        error: fail,
      });
      subscription.add(commits.subscribe({ next: () => this.#wake(afterCommitMs), error: fail }));
      const lastSearch = { changed: changedAt(folder), next: 0 };
      this.#logs.set(folder, { path: folder, lastSearch, reader, subscription, inode: inodeOf(folder), end });
    } catch (thrown) {
      this.#fail(folder, thrown);
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
    const texts = [...this.#failures.values()].map(({ text }) => text);
    const blind = this.#blind === undefined ? [] : [this.#blind];
    const failures = [...texts, ...blind].map((text): Problem => ({ kind: "unreadable", text }));
    const damage = [...this.#logs.values()].flatMap(({ reader }) => reader.damage);
    const missing = open === 0 && texts.length === 0;
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

interface Failure {
  readonly text: string;
  /** Waits for the log to change, and then requests another attempt. */
  readonly watch: Subscription;
}

interface Opened {
  readonly reader: EventReader;
  /** Emits after each write to the log. */
  readonly commits: Observable<void>;
  /** Stored events, then new ones. */
  readonly events: Observable<StoredEvent>;
}

async function openBundle(path: string): Promise<Opened> {
  const { reader } = await loadBundle(path);
  return { reader, commits: NEVER, events: follow(reader, NEVER) };
}

async function openLog(folder: string): Promise<Opened> {
  const reader = await openEventReader(folder);
  const commits = folderChanges(folder);
  return { reader, commits, events: follow(reader, commits) };
}

function damageText(damage: readonly string[]): string {
  const more = damage.length > 1 ? `, and ${damage.length - 1} more` : "";
  return `The log is damaged: ${damage[0]}${more}. replay --check shows which tasks are affected.`;
}

/**
 * Maximum number of damaged events that are skipped to find a log's last intact event. If a log ends with
 * more of them, it counts as ready at once, and its tasks appear while they are read.
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
  "No plugin is running. Tasks keep running; their events appear once a plugin has taken them over. The Nomad agent restarts the plugin automatically.";

/** Time of the last write to a log; 0 if it was removed. */
function changedAt(folder: string): number {
  return dataOf(folder)?.mtimeMs ?? 0;
}

/** Identifies a log's file, because another file may take over its name. */
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
