/**
 * Points at which the crash tests can kill a plugin: before and after certain functions, commits and calls.
 * The environment names the point, and says at which of its passes the plugin dies. The functions themselves
 * have no code for this (plugin.ts wraps them).
 */
import type { EventStore } from "../../src/store/eventStore.ts";

/** For example `before launch#1`: the process dies when it passes this point for the first time. */
export const crashAt = "EXEC2_CRASH_AT";

const [wanted, nth] = (process.env[crashAt] ?? "").split("#");
let passed = 0;

/** Kills the process at the pass of the point that the environment names. */
function pass(point: string): void {
  if (point !== wanted) return;
  passed += 1;
  if (passed === Number(nth)) process.kill(process.pid, "SIGKILL");
}

type AnyFunction = (...args: never[]) => unknown;

/**
 * Puts a function between two points, `before <name>` and `after <name>`. A function that returns a promise
 * has a third point, `during <name>`, after its synchronous part. `openEventStore` has no points around it,
 * but the commits of the store that it opens have some.
 */
export function between<Wrapped extends AnyFunction>(name: string, wrapped: Wrapped): Wrapped {
  if (name === "openEventStore") return opening(wrapped);
  const wrapper = (...args: Parameters<Wrapped>): unknown => {
    pass(`before ${name}`);
    const result = wrapped(...args);
    if (!(result instanceof Promise)) {
      pass(`after ${name}`);
      return result;
    }
    pass(`during ${name}`);
    return result.then((value) => {
      pass(`after ${name}`);
      return value;
    });
  };
  return wrapper as Wrapped;
}

function opening<Open extends AnyFunction>(open: Open): Open {
  const opens = async (...args: Parameters<Open>) => betweenCommits((await open(...args)) as EventStore);
  return opens as unknown as Open;
}

/** Points around the commit of every event: `before commit started`, `after commit started`. */
function betweenCommits(store: EventStore): EventStore {
  const append = store.append.bind(store);
  store.append = async (stream, expectedVersion, events) => {
    for (const { type } of events) pass(`before commit ${type}`);
    const stored = await append(stream, expectedVersion, events);
    for (const { type } of events) pass(`after commit ${type}`);
    return stored;
  };
  return store;
}
