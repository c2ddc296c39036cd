/**
 * Where local runs keep their event logs: `<state_dir>/local/1`, and a further
 * number for each run that goes on at the same time, since a log has one writer.
 */
import { join } from "node:path";
import { localFolder } from "../../store/folder/logFolders.ts";

/** More runs at once than this are most likely a mistake. */
const maxRuns = 64;

/** The state folders of a run, to be tried one after another. */
export class StateFolderChoice {
  readonly #stateDir: string;
  #number = 1;

  constructor(stateDir: string) {
    this.#stateDir = stateDir;
  }

  get path(): string {
    return join(localFolder(this.#stateDir), String(this.#number));
  }

  /** Goes on to the next one; false where there are no more. */
  next(): boolean {
    if (this.#number === maxRuns) return false;
    this.#number++;
    return true;
  }
}
