/**
 * Moving a file to another folder, and linking it there, takes more than a right to create: Landlock refuses it if the
 * file would gain rights by it (`LANDLOCK_ACCESS_FS_REFER`). Pure.
 */
import { moreMoves } from "../../effects/observe/uses.ts";
import { formatMode, modeOf } from "../../effects/unveil/unveil.ts";
import type { ObservedRun, RecordedOptions } from "./observedRun.ts";
import { covers, type Entry, entriesIn, fixedRules } from "./requirements.ts";

/** Folders between which a run may have moved files, where other options would refuse that. */
interface Move {
  readonly from: string;
  readonly to: string;
  /** Rights that the file would gain. */
  readonly gained: string;
}

interface Moves {
  readonly moves: readonly Move[];
  /** Whether only these two folders were used so: then a file was moved from one to the other. */
  readonly isCertain: boolean;
  /** Whether the run has moved files among more folders than are known. */
  readonly hasMore: boolean;
}

/** What the run may have moved, and could move with its own options, but not with the others. */
export function refusedMoves(run: ObservedRun, candidate: RecordedOptions): Moves {
  const { moves, options, links } = { ...run, moves: run.uses.moves };
  const own = entriesIn(options, links);
  const fixed = fixedRules(run, own);
  const rights = (folder: string, entries: readonly Entry[]) =>
    formatMode(
      modeOf([...fixed, ...entries].flatMap((each) => (covers(each, folder) ? each.letters : "")).join("")),
    );
  const others = entriesIn(candidate, links);
  const folders = (end: "from:" | "to:") => {
    const all = moves.flatMap((text) => (text.startsWith(end) ? text.slice(end.length) : []));
    return all.map((folder) => ({ folder, had: rights(folder, own), has: rights(folder, others) }));
  };
  // Of folders with the same rights, one stands for all: among themselves, no file gains any.
  const kinds = (all: ReturnType<typeof folders>) => [
    ...new Map(all.map((each) => [`${each.had} ${each.has}`, each])).values(),
  ];
  const [from, to] = [folders("from:"), folders("to:")];
  const refused = kinds(from).flatMap((source) =>
    kinds(to).flatMap((target) => {
      const gained = beyond(target.has, source.has);
      const isNew = gained !== "" && beyond(target.had, source.had) === "";
      return isNew ? [{ from: source.folder, to: target.folder, gained }] : [];
    }),
  );
  return {
    moves: refused,
    isCertain: from.length === 1 && to.length === 1,
    hasMore: moves.includes(moreMoves),
  };
}

function beyond(letters: string, others: string): string {
  return [...letters].filter((letter) => !others.includes(letter)).join("");
}
