/** `why --prove`: starts a failed run's request again, with one difference at a time, and says which one helps. */
import { constants } from "node:os";
import { DriverError } from "../../../base/errors.ts";
import { codeToPassOn, endBySignal } from "../../../base/taskEnd.ts";
import { ranMs } from "../../../history/cause/goodRun.ts";
import {
  endsWell,
  type Outcome,
  otherEnd,
  outcomeText,
  passedText,
  proofCodes,
  type TriedDifference,
  verdictOn,
} from "../../../history/prove/outcomes.ts";
import { isPlain, type Proof, type Setup } from "../../../history/prove/trials.ts";
import { checkJob, pluginOptionsOf } from "../../../localAgent/files/checkFile.ts";
import type { Job } from "../../../localAgent/jobspec/job.ts";
import type { JobFile } from "../../../localAgent/jobspec/jobFile.ts";
import { catchInterrupts } from "../../../localAgent/task/interrupts.ts";
import { recordedTaskIn, scratchJob } from "../../../localAgent/task/scratchJob.ts";
import { formatDuration } from "../../../units/durations.ts";
import { visible } from "../../../units/visible.ts";
import type { TaskPlace } from "../../histories/eventLogs.ts";
import { type Failed, proofFor, recordedRuns } from "../../histories/recordedProof.ts";
import { requireRoot } from "../../requireRoot.ts";
import { print } from "../../terminal/output.ts";
import { Interrupted, Trials } from "../run/learnTrials.ts";
import { readJobFile, variablesOf } from "../run/readJobFile.ts";
import type { RunOptions } from "../run/runJob.ts";

export interface ProveOptions extends RunOptions {
  /** Whether the trials have the network that the job file gives the task, and not none. */
  readonly network: boolean;
  /** Whether the options have the plugin block of a client. */
  readonly hasPluginBlock: boolean;
}

/**
 * @param path path of the job file; `-` reads standard input
 * @returns the exit code: of {@link proofCodes}, or 130 after Ctrl-C
 * @throws DriverError `PROOF_IMPOSSIBLE`; `TASK_NOT_FOUND`, `STORE_FAILED`; the errors of the job file
 */
export async function proveWhy(place: TaskPlace, path: string, options: ProveOptions): Promise<number> {
  requireRoot("why --prove starts tasks in sandboxes of their own");
  const runs = await recordedRuns(place, options);
  const { id, failed, good } = runs;
  // Other tasks of the file do not matter: they may need another driver.
  const reading = { ...options.reading, tasks: [failed.request.taskName] };
  const own = { ...options, reading };
  const file = await readJobFile(path, own);
  const job = await checkJob(file, variablesOf(own), pluginOptionsOf(own));
  const { group, task } = recordedTaskIn(job, failed.request);
  const proof = proofFor(runs, task);
  if (proof.trials.length === 0) throw nothingToTry(proof, good !== undefined);
  const network = options.network && group.network.mode !== "none";
  const jobOf = (setup: Setup) => scratchJob(job, failed.request, setup, { network, isPlain });
  const jobs = { baseline: jobOf(proof.baseline), trials: proof.trials.map(({ setup }) => jobOf(setup)) };
  const limitMs = Math.min((ranMs(failed) ?? 0) * longerTimes + marginMs, maxLimitMs);
  print(planText({ id, path, failed, proof, network, limitMs, volumes: task.volumeMounts.length > 0 }));
  const proving = new Proving({ path, file, options: withEgress(own, failed, network), limitMs });
  try {
    return await proving.run(failed, proof, jobs, hintsOf(failed, network, task.volumeMounts.length > 0));
  } catch (thrown) {
    if (!(thrown instanceof Interrupted)) throw thrown;
    print("Interrupted: nothing is proven");
    return codeOfInterrupt;
  }
}

/** A trial may take this many times as long as the recorded run, and a while more: hosts are not equally busy. */
const longerTimes = 3;
const marginMs = 5_000;
const maxLimitMs = 3_600_000;

const codeOfInterrupt = endBySignal(constants.signals.SIGINT).exitCode;

function nothingToTry({ untried }: Proof, hasGood: boolean): DriverError {
  const others = untried.length === 0 ? "" : `; what differs cannot be tried: ${untried.join(", ")}`;
  const than = hasGood ? "its options are those of its last good run" : "no good run before it is recorded";
  return new DriverError(
    "PROOF_IMPOSSIBLE",
    `there is nothing to try: its cause advises no line for the job file, and ${others === "" ? than : `no option can be taken from its last good run${others}`}`,
    { hint: "why shows what is known of the run" },
  );
}

/** What the client refuses to all tasks stays refused to the trials. */
function withEgress(options: ProveOptions, { sandbox }: Failed, network: boolean): ProveOptions {
  const denied = sandbox?.egress?.denied ?? [];
  if (!network || denied.length === 0) return options;
  return { ...options, pluginConfig: { egress_denied: denied, ...options.pluginConfig } };
}

interface Plan {
  readonly id: string;
  readonly path: string;
  readonly failed: Failed;
  readonly proof: Proof;
  readonly network: boolean;
  readonly volumes: boolean;
  readonly limitMs: number;
}

function planText({ id, path, failed, proof, network, volumes, limitMs }: Plan): string {
  const { taskName, jobId } = failed.request;
  const writable = [proof.baseline, ...proof.trials.map(({ setup }) => setup)].flatMap(writableEntries);
  const before = [
    `${taskName} of job ${jobId}, ${id}: in the recorded run, ${outcomeText(recordedOutcome(failed))}`,
    `Starting it again alone, with the environment of ${path === "-" ? "standard input" : path}, ${network ? "with its network" : "without network"}${volumes ? ", its volumes read-only" : ""}, each time for at most ${formatDuration(limitMs)}:`,
    "  0. without any change",
    ...proof.trials.map(({ text }, index) => `  ${index + 1}. with ${text}`),
  ];
  const notes = [
    ...(proof.untried.length > 0
      ? [`Differs from the last good run, and is not tried: ${proof.untried.join(", ")}`]
      : []),
    ...(writable.length > 0
      ? [`It may change what it unveils for writing: ${[...new Set(writable)].join(", ")}`]
      : []),
  ];
  return [...before, ...notes].map((line) => visible(line)).join("\n");
}

/** Entries of `unveil` by which a task writes to the host. */
function writableEntries({ options }: Setup): string[] {
  const entries = Array.isArray(options.unveil) ? options.unveil.map(String) : [];
  return entries.filter((entry) => /^[a-z]*[wc][a-z]*:/.test(entry));
}

function recordedOutcome({ exit, failure }: Failed): Outcome {
  if (exit === null) return { kind: "refused", code: failure?.code ?? "LAUNCH_FAILED" };
  return { kind: "exited", exitCode: codeToPassOn(exit) };
}

function hintsOf({ request }: Failed, network: boolean, volumes: boolean): string[] {
  const had = request.network.mode !== "none";
  return [
    ...(had && !network ? ["The recorded run had a network: --network lets the trials have it"] : []),
    ...(volumes ? ["The volumes were read-only: what needs to write to them was not tried"] : []),
  ];
}

interface ProvingInput {
  readonly path: string;
  readonly file: JobFile;
  readonly options: RunOptions;
  readonly limitMs: number;
}

class Proving {
  readonly #input: ProvingInput;

  constructor(input: ProvingInput) {
    this.#input = input;
  }

  /** @throws Interrupted */
  async run(
    failed: Failed,
    { trials }: Proof,
    jobs: { readonly baseline: Job; readonly trials: readonly Job[] },
    hints: readonly string[],
  ): Promise<number> {
    const interrupts = catchInterrupts();
    try {
      await using runs = await Trials.open(this.#input, this.#input.options.pluginConfig, {
        isRecorded: false,
      });
      const tryOnce = async (job: Job, text: string): Promise<Outcome> => {
        if (interrupts.stop.aborted) throw new Interrupted();
        const outcome = await this.#outcomeOf(runs, job);
        print(`${visible(text)}: ${outcomeText(outcome)}`);
        return outcome;
      };
      const baseline = await tryOnce(jobs.baseline, "without any change");
      if (endsWell(baseline)) {
        print(`\n${passedText(baseline)}`);
        return proofCodes.passes;
      }
      const tried: TriedDifference[] = [];
      for (const [index, { text }] of trials.entries()) {
        const job = jobs.trials[index];
        if (job !== undefined) tried.push({ text, outcome: await tryOnce(job, `with ${text}`) });
      }
      const { text, code } = verdictOn(tried);
      const other = otherEnd(baseline, recordedOutcome(failed));
      print(
        ["", text, ...(other === undefined ? [] : [other]), ...(code === proofCodes.none ? hints : [])].join(
          "\n",
        ),
      );
      return code;
    } finally {
      interrupts.release();
    }
  }

  async #outcomeOf(runs: Trials, job: Job): Promise<Outcome> {
    const { limitMs } = this.#input;
    const { exitCode, stopped, failures } = await runs.run(job, {
      shown: false,
      watched: false,
      stopAfterMs: limitMs,
    });
    if (stopped) return { kind: "running", afterMs: limitMs };
    const refused = failures.find((each) => each instanceof DriverError);
    if (refused !== undefined) return { kind: "refused", code: refused.code };
    return { kind: "exited", exitCode };
  }
}
