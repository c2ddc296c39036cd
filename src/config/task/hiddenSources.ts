/** Finds the sources of volumes that a task must reach only through its mounts. Pure. */
import { isAtOrBelow } from "../values/unveil.ts";

/**
 * A Landlock rule applies to a folder wherever it is mounted, so a volume's rule opens its source, too. The
 * launch therefore hides the source under a mount. A source stays visible if hiding it would hide something
 * else: if it is itself unveiled, or if it contains or is inside another path that the task reaches.
 * @param sources resolved paths
 * @param reachable resolved paths of everything else that the task reaches, including the mounts' targets
 */
export function hiddenSources(sources: readonly string[], reachable: readonly string[]): string[] {
  const candidates = [...new Set(sources)].filter(
    (source) => !reachable.some((path) => isAtOrBelow(path, source) || isAtOrBelow(source, path)),
  );
  // Hiding a folder hides all sources below it, too.
  return candidates.filter(
    (source) => !candidates.some((other) => other !== source && isAtOrBelow(source, other)),
  );
}
