/**
 * Points at which a plugin of the crash tests can be made to die: before and after
 * certain functions, commits and calls. Which one, and at which of its passings, is told by
 * the environment; the functions know nothing of it (plugin.ts wraps them).
 */
import type { EventStore } from "../../src/store/eventStore.ts";

/** `before launch#1`: the point's name and which passing of it is the last thing the process does. */
export const crashAt = "EXEC2_CRASH_AT";

const [wanted, nth] = (process.env[crashAt] ?? "").split("#");
let passed = 0;

/** Dies here, if this is the place. */
function pass(point: string): void {
  if (point !== wanted) return;
  passed += 1;
  if (passed === Number(nth)) process.kill(process.pid, "SIGKILL");
}

type AnyFunction = (...args: never[]) => unknown;

/**
 * The function between two points, `before <name>` and `after <name>`. One that returns a promise has
 * a third, `during <name>`, when it has done what it does at once. Around `openEventStore` are none: the commits of the store that it opens have them.
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
