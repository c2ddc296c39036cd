/**
 * What suites for the virtual machine are registered with and run by: one
 * process and no workers, since under emulation the start of a test framework
 * takes longer than the tests. It has the few functions of vitest that
 * test/support calls, and is bundled in vitest's place.
 */

type Work = () => unknown;

interface Case {
  /** With the names of the groups that it is in: `memory > a task over its limit`. */
  readonly name: string;
  readonly run: Work;
}

export interface CaseOutcome {
  readonly name: string;
  /** Why it failed; undefined where it passed. */
  readonly failure: string | undefined;
  readonly milliseconds: number;
}

const cases: Case[] = [];
const groups: string[] = [];
const atEnd: Work[] = [];
let finishers: Work[] = [];

/** A start takes 0.2 s under emulation, the plugin's own 5 s: what takes longer than this is stuck. */
const caseLimitMs = 90_000;

/** A group of cases. */
export function describe(name: string, register: () => void): void {
  groups.push(name);
  register();
  groups.pop();
}

export function test(name: string, run: Work): void {
  cases.push({ name: [...groups, name].join(" > "), run });
}

/** Work for when the present case is over, whatever came of it; the last registered comes first. */
export function onTestFinished(work: Work): void {
  finishers.push(work);
}

/** Work for when all cases are over. */
export function afterAll(work: Work): void {
  atEnd.push(work);
}

/** Names of all cases, in the order in which they run. */
export function caseNames(): string[] {
  return cases.map(({ name }) => name);
}

/** Runs cases one after another and tells of each as it is over. */
export async function runCases(
  names: ReadonlySet<string>,
  report: (outcome: CaseOutcome) => void,
): Promise<void> {
  for (const { name, run } of cases.filter((each) => names.has(each.name))) {
    const startedAt = performance.now();
    finishers = [];
    const failures = await failuresOf([() => withinLimit(run)]);
    failures.push(...(await failuresOf(finishers.toReversed())));
    const failure = failures.length > 0 ? failures.join("\n") : undefined;
    report({ name, failure, milliseconds: performance.now() - startedAt });
  }
  const failures = await failuresOf(atEnd.toReversed());
  if (failures.length > 0) throw new Error(failures.join("\n"));
}

async function failuresOf(works: readonly Work[]): Promise<string[]> {
  const failures: string[] = [];
  for (const work of works) {
    try {
      await work();
    } catch (thrown) {
      failures.push(thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown));
    }
  }
  return failures;
}

async function withinLimit(run: Work): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`not over after ${caseLimitMs} ms`)), caseLimitMs);
  try {
    await Promise.race([run(), promise]);
  } finally {
    clearTimeout(timer);
  }
}
