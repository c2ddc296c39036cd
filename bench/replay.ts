/**
 * Measures replays: events folded per second, by XState and by the table that checks of whole logs use. Also
 * measures such a check with either, compared with SHA-256 of the same number of bytes, and the check of a log
 * with long histories instead of short ones, and the command for it, which shares the check among processes.
 * `node bench/replay.ts [events in the log] [folder]`
 */

import { execFileSync } from "node:child_process";
import { hash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { checkLog } from "../src/history/replay/check/checkLog.ts";
import { outcomeMachine, tableMachine } from "../src/history/replay/check/tableMachine.ts";
import { History } from "../src/history/replay/history.ts";
import { EVENT_SCHEMA_VERSION, type TaskEvent } from "../src/machines/events.ts";
import { type MachineVersion, thisMachine } from "../src/machines/machineVersion.ts";
import { initialSnapshot, step } from "../src/machines/taskMachine.ts";
import type { EventReader } from "../src/store/eventStore.ts";
import { stateFolderPaths } from "../src/store/folder/stateFolder.ts";
import { openEventReader } from "../src/store/lmdb/eventReader.ts";
import { openEventStore } from "../src/store/lmdb/lmdbEventStore.ts";
import { allLives, event, life, numberedId } from "../test/support/history/history.ts";
import { printFigure } from "./figures.ts";

const count = Number(process.argv[2] ?? 1_000_000);
/** Number of tasks whose events are interleaved in the log. */
const atOnce = 100;
const lives = allLives.map(life);
const folder = mkdtempSync(join(process.argv[3] ?? "/var/lib", "exec2-bench-"));

try {
  benchFold("fold by XState", thisMachine, count / 10);
  benchFold("fold by the table", tableMachine());
  const short = await filled("short", lives);
  benchBaseline(short);
  benchCheck("XState", short, thisMachine);
  benchCheck("the table, short histories", short, outcomeMachine());
  benchCommand("short");
  await short.close();
  const long = await filled("long", [longLife()]);
  benchBaseline(long);
  benchCheck("the table, long histories", long, outcomeMachine());
  benchCommand("long");
  await long.close();
  benchStepping();
} finally {
  rmSync(folder, { recursive: true });
}

function benchFold(name: string, machine: MachineVersion, most = count): void {
  const fold = (events: number) => {
    for (let folded = 0; folded < events; ) {
      for (const history of lives) {
        let snapshot = machine.initialSnapshot;
        for (const each of history) snapshot = machine.step(snapshot, each).snapshot;
        folded += history.length;
      }
    }
  };
  fold(20_000);
  printRate(
    name,
    most,
    seconds(() => fold(most)),
  );
}

/** The baseline hashes all bytes of the log once, as a check does. */
function benchBaseline(reader: EventReader): void {
  const hashAll = () => {
    let bytes = 0;
    const hashed = (record: Buffer) => {
      hash("sha256", record, "hex");
      return record.length;
    };
    for (const length of reader.scanRecords(hashed)) bytes += length;
    return bytes;
  };
  const bytes = hashAll();
  const took = seconds(hashAll);
  printRate(`baseline: read and hash ${(bytes / 1e6).toFixed(0)} MB of events`, reader.lastPosition(), took);
}

function benchCheck(name: string, reader: EventReader, machine: MachineVersion): void {
  const events = reader.lastPosition();
  const cpu = process.cpuUsage();
  const took = seconds(() => {
    const { findings } = checkLog(reader, { machine });
    if (findings.length > 0) throw new Error(JSON.stringify(findings[0]));
  });
  const { user, system } = process.cpuUsage(cpu);
  printRate(`check: hashes, chains, machine by ${name}`, events, took);
  printFigure(
    `check of a million events by ${name}`,
    `${((took * 1e6) / events).toFixed(2)} s, CPU ${((user + system) / events).toFixed(2)} s`,
  );
}

/** Measures the command, with the program's start and as many processes as it takes. */
function benchCommand(name: string): void {
  const program = join(import.meta.dirname, "../src/main.ts");
  const command = [program, "replay", "--check", "--state-dir", join(folder, name)];
  const took = seconds(() => execFileSync(process.execPath, command));
  printFigure(`replay --check, ${name} histories`, `${took.toFixed(2)} s`);
}

/** Measures steps back through a long history. */
function benchStepping(): void {
  const begun = life("ended").slice(0, 4);
  const signals = Array.from({ length: 10_000 }, () => event("signalled"));
  const events = recorded([...begun, ...signals]).map((each, index) => {
    return { ...each, stream: "a/web/1", seq: index + 1, position: index + 1, hash: "" };
  });
  const history = new History("a/web/1", events);
  history.at(history.length);
  const took = seconds(() => {
    for (let seq = history.length; seq >= 1; seq--) history.at(seq);
  });
  printRate("steps back through 10,000 events", history.length, took);
}

/** A task whose life has as many events as its share of the log, most of them of repeated commands. */
function longLife(): TaskEvent[] {
  const [whole, most] = [life("ended"), Math.max(1, count / atOnce)];
  const repeated = Array.from({ length: most }, () => event("execsRepeated"));
  return [...whole.slice(0, 4), ...repeated, ...whole.slice(4)];
}

/** A log of `count` events in lives of the given kinds. */
async function filled(name: string, kinds: readonly TaskEvent[][]): Promise<EventReader> {
  const { events: path } = stateFolderPaths(join(folder, name));
  const store = await openEventStore(path);
  let tasks = 0;
  while (store.lastPosition() < count) {
    const group = Array.from({ length: atOnce }, () => {
      tasks += 1;
      return { stream: numberedId(tasks), events: recorded(kinds[tasks % kinds.length] as TaskEvent[]) };
    });
    for (let seq = 0; group.some(({ events }) => seq < events.length); seq++) {
      await Promise.all(
        group.flatMap(({ stream, events }) => {
          const next = events[seq];
          return next === undefined ? [] : store.append(stream, seq, [next]);
        }),
      );
    }
  }
  await store.close();
  return openEventReader(path);
}

function recorded(events: readonly TaskEvent[]) {
  let snapshot = initialSnapshot;
  return events.map((each) => {
    const { snapshot: after, from, to, effects } = step(snapshot, each);
    snapshot = after;
    return { ...each, schema: EVENT_SCHEMA_VERSION, from, to, effects };
  });
}

function seconds(action: () => unknown): number {
  const begin = performance.now();
  action();
  return (performance.now() - begin) / 1000;
}

function printRate(name: string, events: number, took: number): void {
  printFigure(name, `${Math.round(events / took)} events/s`);
}
