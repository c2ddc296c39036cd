/**
 * The candidate: a job file with narrower options, by which the observed runs of its tasks are judged while they run.
 * It refuses nothing. A file that cannot be read is a lack of the node, and keeps no task from starting.
 */
import { createHash } from "node:crypto";
import { BehaviorSubject, type Observable } from "rxjs";
import { DriverError, messageOf } from "../../base/errors.ts";
import type { Logger } from "../../base/hclog.ts";
import { parentJob } from "../../base/jobName.ts";
import type { RecordedOptions } from "../../history/policy/observedRun.ts";
import type { EventData } from "../../machines/events.ts";
import type { PluginOptions } from "../options/pluginOptions.ts";

/** The options of a task in a job file. */
export interface CandidateTask {
  readonly job: string;
  readonly group: string;
  readonly task: string;
  readonly options: RecordedOptions;
}

/**
 * Reads a job file.
 * @param plugin what the node allows, and adds to its tasks' options
 * @throws DriverError if the file cannot be read, is no job file, or has options that the node refuses
 */
export type ReadCandidate = (path: string, plugin: PluginOptions) => Promise<readonly CandidateTask[]>;

type TaskPlace = Pick<EventData<"requested">, "jobId" | "groupName" | "taskName">;

/** What a task of the candidate is judged by. */
export interface Candidate {
  readonly file: string;
  /** Differs for other options. */
  readonly digest: string;
  readonly options: RecordedOptions;
}

export class NodeCandidate {
  readonly #read: ReadCandidate;
  readonly #log: Logger;
  readonly #problem = new BehaviorSubject<string | undefined>(undefined);
  #file = "";
  #tasks: readonly CandidateTask[] = [];

  constructor(read: ReadCandidate, log: Logger) {
    this.#read = read;
    this.#log = log;
  }

  /** Why nothing is judged although the options want it. */
  get problem(): string | undefined {
    return this.#problem.value;
  }

  /** Emits {@link problem} now and after every change. */
  get problems(): Observable<string | undefined> {
    return this.#problem;
  }

  /** Reads the file anew: the operator may have changed it. Never rejects. */
  async configure(options: PluginOptions): Promise<void> {
    this.#file = options.candidate;
    this.#tasks = [];
    if (this.#file === "") {
      this.#problem.next(undefined);
      return;
    }
    try {
      if (options.observe === "off") throw new DriverError("CONFIG_INVALID", "observe is off");
      this.#tasks = await this.#read(this.#file, options);
      this.#problem.next(undefined);
    } catch (thrown) {
      // The other lines show the place in the file.
      const [reason = ""] = messageOf(thrown).split("\n", 1);
      this.#problem.next(reason);
      this.#log.warn("the candidate cannot be read", { path: this.#file, reason });
    }
  }

  /** Undefined if the candidate has no such task. Periodic and dispatched jobs are part of theirs. */
  for({ jobId, groupName, taskName }: TaskPlace): Candidate | undefined {
    const found = this.#tasks.find(
      ({ job, group, task }) => job === parentJob(jobId) && group === groupName && task === taskName,
    );
    if (found === undefined) return undefined;
    const digest = createHash("sha256").update(JSON.stringify(found.options)).digest("hex").slice(0, 16);
    return { file: this.#file, digest, options: found.options };
  }
}
