/** A path that is changed all the time, as an attacker does who hopes for the moment between a check and a use. */
import { renameSync, rmSync, symlinkSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

/**
 * Replaces a folder by a link to another one, and back, again and again.
 * @returns ends it, with the folder in its place
 */
export function turnIntoLink(folder: string, target: string): () => Promise<void> {
  let turning = true;
  const turner = (async () => {
    while (turning) {
      renameSync(folder, `${folder}.away`);
      symlinkSync(target, folder);
      await delay(1);
      rmSync(folder);
      renameSync(`${folder}.away`, folder);
      await delay(5);
    }
  })();
  return async () => {
    turning = false;
    await turner;
  };
}
