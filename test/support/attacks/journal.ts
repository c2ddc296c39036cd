/** The journald that takes the output of attacking tasks, one for all of them. */
import { onFileFinished } from "../fileEnd.ts";
import { Journal } from "../host/journal.ts";

/** Known before it is started, since options of plugins name it. */
export const attackedNamespace = `exec2-attacks-${process.pid}`;

let shared: Promise<Journal> | undefined;

/** Starts it at the first call, and whenever it has ended because nothing was written for half a minute. */
export function attackedJournal(): Promise<Journal> {
  shared = (shared ?? make()).then(async (journal) => {
    if (!journal.isRunning) await journal.start();
    return journal;
  });
  return shared;
}

async function make(): Promise<Journal> {
  const journal = new Journal(["RateLimitIntervalSec=0"], attackedNamespace);
  onFileFinished(() => {
    shared = undefined;
    return journal.remove();
  });
  return journal;
}
