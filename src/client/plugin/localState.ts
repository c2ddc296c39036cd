/**
 * State folders of local runs: `<state_dir>/local/1`, and one with a higher number
 * for each concurrent run, since a log has only one writer.
 */
import { join } from "node:path";
import { localFolder } from "../../store/folder/logFolders.ts";

/** More concurrent runs are most likely a mistake. */
const maxRuns = 64;

/** The state folders that a run may use, tried one after another. */
export class StateFolderChoice {
  readonly #stateDir: string;
  #number = 1;

  constructor(stateDir: string) {
    this.#stateDir = stateDir;
  }

  get path(): string {
    return join(localFolder(this.#stateDir), String(this.#number));
  }

  /** Advances to the next folder; false if there are no more. */
  next(): boolean {
    if (this.#number === maxRuns) return false;
    this.#number++;
    return true;
  }
}
