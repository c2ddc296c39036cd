/** Which sources of volumes a task must not reach but through its mounts. Pure. */
import { isAtOrBelow } from "../options/unveil.ts";

/**
 * A Landlock rule holds for a folder wherever it is mounted, so a volume's rule
 * opens its source, too. What is mounted over the source closes it again, unless
 * that would hide something else: a source that is unveiled on its own account, or
 * around or within something that the task reaches, stays as it is.
 * @param sources resolved paths
 * @param reachable resolved paths of all that the task reaches otherwise, the mounts' targets among them
 */
export function hiddenSources(sources: readonly string[], reachable: readonly string[]): string[] {
  const candidates = [...new Set(sources)].filter(
    (source) => !reachable.some((path) => isAtOrBelow(path, source) || isAtOrBelow(source, path)),
  );
  // What lies in a hidden folder is gone with it.
  return candidates.filter(
    (source) => !candidates.some((other) => other !== source && isAtOrBelow(source, other)),
  );
}
