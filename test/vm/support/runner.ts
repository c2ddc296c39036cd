/**
 * Registers and runs the suites in the virtual machine, in one process without workers. Under emulation, a
 * test framework would take longer to start than the tests take to run. The bundle uses this file instead of
 * vitest, so the file has the few functions of vitest that test/support calls.
 */

type Work = () => unknown;

interface Case {
  /** The name with the names of its groups, such as `memory > a task over its limit`. */
  readonly name: string;
  readonly run: Work;
  readonly limitMs: number;
}

export interface CaseOutcome {
  readonly name: string;
  /** Why it failed; undefined if it passed. */
  readonly failure: string | undefined;
  readonly milliseconds: number;
}

const cases: Case[] = [];
const groups: string[] = [];
const atEnd: Work[] = [];
let finishers: Work[] = [];

/**
 * Under emulation a task's start takes 0.2 s, and the plugin's start 5 s. A case that takes longer than this
 * limit is stuck.
 */
const caseLimitMs = 90_000;

/** A group of cases. */
export function describe(name: string, register: () => void): void {
  groups.push(name);
  register();
  groups.pop();
}

/** @param limitMs after which the case has failed */
export function test(name: string, run: Work, limitMs = caseLimitMs): void {
  cases.push({ name: [...groups, name].join(" > "), run, limitMs });
}

/**
 * Registers work for the end of the present case, whatever its result. The last registered work runs first.
 */
export function onTestFinished(work: Work): void {
  finishers.push(work);
}

/** Registers work for the end of all cases. */
export function afterAll(work: Work): void {
  atEnd.push(work);
}

/** Names of all cases, in the order in which they run. */
export function caseNames(): string[] {
  return cases.map(({ name }) => name);
}

/** Runs cases one after another and reports each result at once. @param patience a factor of their time limits */
export async function runCases(
  names: ReadonlySet<string>,
  patience: number,
  report: (outcome: CaseOutcome) => void,
): Promise<void> {
  for (const { name, run, limitMs } of cases.filter((each) => names.has(each.name))) {
    const startedAt = performance.now();
    finishers = [];
    const failures = await failuresOf([() => withinLimit(run, patience * limitMs)]);
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

async function withinLimit(run: Work, limitMs: number): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`not over after ${limitMs} ms`)), limitMs);
  try {
    await Promise.race([run(), promise]);
  } finally {
    clearTimeout(timer);
  }
}
