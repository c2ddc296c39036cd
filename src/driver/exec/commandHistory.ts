/**
 * Records the commands that are run in a task: each by events of its own, or many by one event that counts
 * them.
 */

import type { CommandEnd } from "../../machines/events/running.ts";
import type { EventData } from "../../machines/events.ts";
import { isAlive } from "../../machines/taskMachine.ts";
import { GrowingPauses } from "../history/growingPauses.ts";
import type { RecordedTask } from "../history/recordedTask.ts";
import { type BegunCommand, CommandTally } from "./commandTally.ts";

interface RecordedCommand {
  /**
   * Resolves once the beginning is recorded, or at once for a command that is only counted. False if the task
   * has ended.
   */
  readonly started: Promise<boolean>;
  /** Resolves once the end is recorded or counted. */
  ended(end: CommandEnd): Promise<void>;
}

export class CommandHistory {
  readonly #task: RecordedTask;
  readonly #tally = new CommandTally();
  readonly #pauses = new GrowingPauses(() => void this.record());
  /**
   * Number of the last command with events of its own. The number is kept here, because several commands may
   * start at once.
   */
  #last = 0;
  #closed = false;

  constructor(task: RecordedTask) {
    this.#task = task;
  }

  begin(command: BegunCommand & Pick<EventData<"execStarted">, "process">): RecordedCommand {
    const begunAt = Date.now();
    if (!this.#tally.isSeparate(command, begunAt)) {
      const started = Promise.resolve(isAlive(this.#task.state));
      return { started, ended: (end) => this.#count(command, end, begunAt) };
    }
    const exec = Math.max(this.#last, this.#task.snapshot.context.execs.last) + 1;
    this.#last = exec;
    const { command: path, user, terminal, process } = command;
    const started = this.#task.record("execStarted", { exec, command: path, user, terminal, process });
    return {
      started,
      ended: async (end) => {
        this.#tally.ended(command, end, Date.now());
        if (await started) await this.#task.record("execExited", { exec, ...end });
      },
    };
  }

  /** Records the counts. Later commands are recorded at once. To be called at the task's end. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#pauses.stop();
    await this.record();
  }

  /** Records the counts. */
  async record(): Promise<void> {
    const counted = this.#tally.take();
    if (counted !== undefined) await this.#task.record("execsRepeated", counted);
  }

  async #count(command: BegunCommand, end: CommandEnd, begunAt: number): Promise<void> {
    const isNews = this.#tally.count(command, end, begunAt, Date.now());
    if (isNews || this.#closed) await this.record();
    else this.#pauses.ask();
  }
}
