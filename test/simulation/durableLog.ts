/** The event log of a simulated host: what is committed survives the plugin that wrote it, nothing else does. */
import type { ExportedStream } from "../../src/history/replay/bundle/exportBundle.ts";
import type { EventStore } from "../../src/store/eventStore.ts";
import { LogStore } from "../../src/store/logStore.ts";
import type { RecordWriter } from "../../src/store/recordTable.ts";
import { MemoryTable } from "../support/history/memoryEventStore.ts";
import type { PluginProcess } from "./pluginProcess.ts";

export class DurableLog {
  readonly #table = new MemoryTable();
  /** For the checks: reads what is committed. */
  readonly reader: EventStore = new LogStore(this.#table, () => []);

  /** All streams, for a bundle. */
  streams(): ExportedStream[] {
    return Array.from(this.reader.streams(), (head) => ({ head, reader: this.reader }));
  }

  /**
   * The log as a plugin process opens it. The plugin may die before a commit, when everything in it is lost, and
   * after it, when the plugin never learns of it.
   */
  open(plugin: PluginProcess): EventStore {
    const table = this.#table;
    const write = <T>(bytes: number, action: (writer: RecordWriter) => T): T => {
      plugin.enter("commit");
      const result = table.write(bytes, action);
      plugin.enter("committed");
      return result;
    };
    const dying = new Proxy(table, {
      get: (target, name) => {
        if (name === "write") return write;
        const value = Reflect.get(target, name, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    return new LogStore(dying, () => []);
  }
}
