/** Runs simulated histories: {@link help}. */
import { fork, spawnSync } from "node:child_process";
import { randomInt } from "node:crypto";
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { edits } from "./hooks.ts";
import { mends } from "./mends.ts";
import type { Totals } from "./totals.ts";

/** What `--help` prints. */
const help = `npm run test:simulation -- [seeds] [first seed]

Runs simulated histories of driver, agents and kernel, one for each seed, and prints the first that fails.
Without arguments, 1,000 from a random seed.

--all             goes on after a history that fails, and prints only what was wrong
--workers N       runs in N processes
--steps N         runs as many histories as take N steps
--digests         prints a hash of each history
--bundle FILE     writes the events of the last history, or of one that fails, as a bundle

--nth             repeats one history, and lets each of its host calls fail once, with each errno
  --every N       only each Nth of these cases
  --only TEXT     only the cases whose names begin so, such as "open 3"
--mutants         plants each defect of mutants.ts, and fails if one is not found
--mends           checks that each seed of mends.ts shows its defect without the mend, and holds with it
--without TITLE   takes the mend with this title out
--help            prints this`;

const { values: flags, positionals } = parsed();
if (flags.help) {
  console.log(help);
  process.exit(0);
}
const seeds = Number(positionals[0] ?? 1_000);
const firstSeed = Number(positionals[1] ?? (flags.mutants || flags.nth ? 1 : randomInt(2 ** 31)));
if (!(Number.isSafeInteger(seeds) && seeds > 0 && Number.isSafeInteger(firstSeed)))
  refuse("both the number of seeds and the first seed are whole numbers");
if (flags.without !== undefined) {
  const mend = mends.find(({ title }) => title === flags.without);
  if (mend === undefined) refuse(`no mend has the title ${flags.without}`);
  edits.push(...mend.without);
}
/** The seed of the scripted history, in which single calls are refused. */
const scriptedSeed = 1;
// After the hooks, which replace what the driver imports.
const { runHistory } = await import("./history.ts");
const { errorsOf, once, plenty } = await import("./shortages.ts");
const { mutants } = await import("./mutants.ts");
const { describeTotals, nothingYet, sumOf, withHistory } = await import("./totals.ts");
const begin = performance.now();
const secondsSince = (time: number) => ((performance.now() - time) / 1_000).toFixed(1);

process.exitCode = await (flags.mutants
  ? findMutants()
  : flags.mends
    ? checkMends()
    : flags.nth
      ? failEachCall()
      : Number(flags.workers) > 1
        ? runInWorkers()
        : runSeeds());

function parsed() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        help: { type: "boolean", default: false },
        mutants: { type: "boolean", default: false },
        nth: { type: "boolean", default: false },
        every: { type: "string", default: "1" },
        only: { type: "string", default: "" },
        bundle: { type: "string" },
        all: { type: "boolean", default: false },
        digests: { type: "boolean", default: false },
        steps: { type: "string" },
        workers: { type: "string", default: "1" },
        worker: { type: "string" },
        mends: { type: "boolean", default: false },
        without: { type: "string" },
      },
    });
  } catch (thrown) {
    return refuse((thrown as Error).message);
  }
}

/** Says what is wrong with the arguments. */
function refuse(what: string): never {
  console.error(`${what}\n\n${help}`);
  process.exit(2);
}

/** Runs the histories of this process, and reports their totals to the process that has started it, if any. */
async function runSeeds(): Promise<number> {
  const [index, of] = shareOf(flags.worker);
  let totals = nothingYet;
  let seed = firstSeed + index;
  const isEnough = () =>
    flags.steps === undefined ? seed >= firstSeed + seeds : totals.steps >= Number(flags.steps) / of;
  for (; !isEnough(); seed += of) {
    const outcome = await runHistory(seed);
    totals = withHistory(totals, seed, outcome);
    if (flags.digests) console.log(`${seed} ${outcome.digest()}`);
    if (flags.bundle !== undefined && (outcome.failure !== undefined || seed === firstSeed + seeds - 1))
      writeFileSync(flags.bundle, Array.from(outcome.bundle(), (line) => `${line}\n`).join(""));
    if (outcome.failure === undefined) continue;
    if (!flags.all) console.error(outcome.lines.join("\n"));
    console.error(`\n✗ seed ${seed}: ${outcome.failure.message}`);
    console.error(`run it alone: npm run test:simulation -- 1 ${seed}`);
    if (!flags.all) break;
  }
  process.send?.(totals);
  if (flags.worker === undefined && (flags.all || totals.failures.length === 0))
    console.log(describeTotals(totals, firstSeed, secondsSince(begin)));
  return totals.failures.length === 0 ? 0 : 1;
}

/** Runs the histories in as many processes as were asked for. */
async function runInWorkers(): Promise<number> {
  const workers = Number(flags.workers);
  const all = Array.from({ length: workers }, (_, index) => {
    const share = ["--worker", `${index}/${workers}`, String(seeds), String(firstSeed)];
    const child = fork(import.meta.filename, [...optionsOf(), ...share]);
    let totals = nothingYet;
    child.on("message", (message: Totals) => {
      totals = message;
    });
    return new Promise<{ totals: Totals; code: number | null }>((resolve) =>
      child.on("exit", (code) => resolve({ totals, code })),
    );
  });
  const ends = await Promise.all(all);
  const totals = sumOf(ends.map((end) => end.totals));
  console.log(describeTotals(totals, firstSeed, secondsSince(begin)));
  return ends.every(({ code }) => code === 0) ? 0 : 1;
}

/** The options that a worker gets, too. */
function optionsOf(): string[] {
  const switches = (["all", "digests"] as const).filter((name) => flags[name]).map((name) => `--${name}`);
  return [...switches, ...(flags.steps === undefined ? [] : ["--steps", flags.steps])];
}

/** @param share `<index>/<number of workers>`; undefined for all */
function shareOf(share = "0/1"): [index: number, of: number] {
  const [index = 0, of = 1] = share.split("/").map(Number);
  return [index, of];
}

/** The nth failure, everywhere: for each kind of host call, each n, and each errno that the call can have. */
async function failEachCall(): Promise<number> {
  const { calls, failure } = await runHistory(scriptedSeed, { shortages: plenty });
  if (failure !== undefined) throw failure;
  const cases = [...calls].flatMap(([call, count]) =>
    errorsOf(call).flatMap((errno) =>
      Array.from({ length: count }, (_, index) => ({ call, errno, nth: index + 1 })),
    ),
  );
  const chosen = cases
    .filter(({ call, nth, errno }) => `${call} ${nth} ${errno}`.startsWith(flags.only))
    .filter((_, index) => index % Number(flags.every) === 0);
  let failures = 0;
  for (const { call, errno, nth } of chosen) {
    const outcome = await runHistory(scriptedSeed, { shortages: once(call, nth, errno) });
    if (outcome.failure === undefined) continue;
    if (failures === 0) console.error(outcome.lines.join("\n"));
    failures += 1;
    console.error(`✗ ${call} ${nth} ${errno}: ${outcome.failure.message}`);
  }
  const kinds = new Set(chosen.map(({ call }) => call)).size;
  const cause = `each of ${kinds} kinds of host calls failed once for each n and errno`;
  console.log(
    `${failures === 0 ? "✓" : "✗"} ${chosen.length} histories, in which ${cause}, in ${secondsSince(begin)} s`,
  );
  return failures === 0 ? 0 : 1;
}

/** Runs the history of each mend with the mend, and without it in a process of its own, whose driver is edited. */
async function checkMends(): Promise<number> {
  let wrong = 0;
  for (const { title, seed, refused, shows } of mends) {
    if (seed === undefined && refused === undefined) {
      console.log(`– ${title}: no history is known that shows it`);
      continue;
    }
    const [{ failure }, history] =
      refused === undefined
        ? [await runHistory(seed), ["1", String(seed)]]
        : [
            await runHistory(scriptedSeed, { shortages: once(...refused) }),
            ["--nth", "--only", refused.join(" ")],
          ];
    const without = spawnSync(process.execPath, [import.meta.filename, "--without", title, ...history], {
      encoding: "utf8",
      maxBuffer: 2 ** 28,
    });
    const [, shown = "nothing"] = /^✗ [^:]*: (.*)$/m.exec(without.stderr) ?? [];
    const isGood = failure === undefined && shows.test(shown);
    if (!isGood) wrong += 1;
    const holds = failure === undefined ? "holds" : failure.message;
    const which = refused === undefined ? `seed ${seed}` : refused.join(" ");
    console.log(`${isGood ? "✓" : "✗"} ${title}, ${which}: ${holds}; without the mend, it shows: ${shown}`);
  }
  return wrong === 0 ? 0 : 1;
}

/** Plants each defect of mutants.ts. The history that is known to show it is tried first, then all others. */
async function findMutants(): Promise<number> {
  let missed = 0;
  for (const { name, seed: known, plant } of mutants) {
    const planted = performance.now();
    const remove = plant();
    const found = await firstFailure([
      known,
      ...Array.from({ length: seeds }, (_, index) => firstSeed + index),
    ]);
    remove();
    if (found === undefined) missed += 1;
    const [mark, how] =
      found === undefined
        ? ["✗", `not found in ${seeds + 1} histories`]
        : ["✓", `seed ${found.seed}${found.seed === known ? "" : `, no longer ${known}`}: ${found.message}`];
    console.log(`${mark} ${name}, ${secondsSince(planted)} s: ${how}`);
  }
  return missed === 0 ? 0 : 1;
}

async function firstFailure(
  candidates: readonly number[],
): Promise<{ readonly seed: number; readonly message: string } | undefined> {
  for (const seed of candidates) {
    const { failure } = await runHistory(seed);
    if (failure !== undefined) return { seed, message: failure.message };
  }
  return undefined;
}
