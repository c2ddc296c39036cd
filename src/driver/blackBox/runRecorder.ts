/** The run in the black box. */
import type { WatchedRun } from "../../effects/blackBox/blackBox.ts";
import type { Note } from "../../effects/blackBox/notes.ts";
import type { RunGround, RunPart } from "../runPart.ts";
import type { Recorder } from "./recorder.ts";

export class RunRecorder implements RunPart {
  readonly #ground: RunGround<{ readonly recorder: Recorder }>;
  #watched: WatchedRun | undefined;

  constructor(ground: RunGround<{ readonly recorder: Recorder }>) {
    this.#ground = ground;
  }

  /** Also to be called right before the task's program begins, so that nothing is missed. */
  begin(): void {
    const { request } = this.#ground.task.snapshot.context;
    if (request !== null) this.#watched ??= this.#ground.services().recorder.watch(request.resources.cgroup);
  }

  /** The notes of a run that has ended; undefined if it was not watched. */
  read(): readonly Note[] | undefined {
    return this.#watched?.read();
  }

  release(): void {
    this.#watched?.[Symbol.dispose]();
  }
}
