/**
 * Adds rules to a ruleset, and reports them.
 *
 * A rule applies to the file or folder to which its path leads when the task starts, and to everything below
 * such a folder. So a path in the options must exist by then. The default paths are those of many kinds of
 * hosts, and missing ones are skipped.
 */
import { closeSync, fstatSync } from "node:fs";
import { hasErrno } from "../../base/errors.ts";
import { LANDLOCK_RULE_PATH_BENEATH } from "../kernel/constants.ts";
import { landlockAddRule } from "../kernel/libc.ts";
import { pathBeneathAttr } from "../kernel/structs.ts";
import type { KnownPaths } from "../unveil/knownPaths.ts";
import { formatMode, type UnveilMode } from "../unveil/unveil.ts";
import {
  type Found,
  type FoundInProc,
  findPath,
  kindOf,
  missingPath,
  type PathKind,
  type StandardStream,
} from "../unveil/unveiledPaths.ts";
import { isConfigured, type UnveilRule } from "../unveil/unveilRules.ts";
import { accessOf, maskOfRights } from "./rights.ts";

/** An open file. The rule is for the descriptor's file, even if the path leads elsewhere by now. */
export interface OpenedPath {
  readonly fd: number;
  readonly mode: UnveilMode;
  /** Only for the report. */
  readonly path: string;
}

export interface AppliedRule {
  readonly path: string;
  /** Letters of {@link UnveilMode}. */
  readonly mode: string;
  readonly kind: PathKind;
  /** Who requested the rule. */
  readonly source: string;
}

export interface SkippedRule {
  readonly path: string;
  readonly reason: string;
}

/**
 * A rule that only a process in the task's namespaces can add: it opens the path (`O_PATH`, no magic links
 * followed) and adds the descriptor with landlock_add_rule(2).
 */
export interface NamespaceRule {
  /**
   * A path in the task's own /proc, with symlinks resolved, or another path that only the task's root has.
   * For a standard stream, the path of the entry.
   */
  readonly path: string;
  /** The standard stream to which the path leads. If it is set, the rule is for the task's own stream. */
  readonly stream?: StandardStream;
  /** Set if a symlink at the path, or on the way, is an error: somebody may have put it there. */
  readonly withoutLinks?: true;
  /** `allowed_access` of `struct landlock_path_beneath_attr`. */
  readonly access: number;
  /**
   * `init`: the namespace's first process, after it has mounted /proc and before it forks the task. Init must
   * keep the descriptor open until it exits: procfs drops an inode that nobody holds, and the inode's rule
   * disappears, too. `task`: the task's main process, before it restricts itself, for paths that lead each
   * process to its own file.
   */
  readonly addedBy: "init" | "task";
  /** Whether the start fails if the rule cannot be added. */
  readonly required: boolean;
}

/** A rule on a default path of the host. Init adds it, and ignores a failure. */
export type KnownRule = Pick<NamespaceRule, "path" | "access">;

/** Whether the rule comes only from the default paths, and has the same path on the host and in the task. */
function isDefault({ sources, target, ownRoot }: UnveilRule): boolean {
  return sources.length === 1 && sources[0] === "default" && target === undefined && ownRoot === undefined;
}

/** The rules on default paths that are known to exist. */
export function knownRules(rules: readonly UnveilRule[], known: KnownPaths, abi: number): KnownRule[] {
  const found: KnownRule[] = [];
  for (const rule of rules) {
    const there = isDefault(rule) ? known.get(rule.path) : undefined;
    const access = there?.at === "known" ? accessOf(rule.mode, there.kind, abi) : 0;
    if (access !== 0) found.push({ path: rule.path, access });
  }
  return found;
}

/** Rules whose paths are opened already. Their descriptors stay open. */
export type OpenedFiles = ReadonlyMap<UnveilRule, Found>;

/** The rules that were added, and those that were skipped. */
export interface AddedRules {
  /** Includes the rules of `insideNamespace`. */
  readonly applied: readonly AppliedRule[];
  readonly skipped: readonly SkippedRule[];
  /** Rules that the launch plan has to add. */
  readonly insideNamespace: readonly NamespaceRule[];
  /** For each rule's path: the identity (`identityOf`) of the host's file to which the path led. */
  readonly identities: ReadonlyMap<string, string>;
  /** Whether the options unveil something in /proc. */
  readonly opensProc: boolean;
}

/**
 * Adds rules to a ruleset. A process may already have the ruleset, but must not have restricted itself with
 * it yet.
 * @param extra open files, such as the task's log pipes
 * @param known paths whose rules init adds
 * @param opened paths that are already opened
 * @throws DriverError `UNVEIL_PATH_MISSING`, recoverable, if a path in the options does not exist
 * @throws DriverError `UNVEIL_PATH_UNSAFE` if a path leads out of a folder that tasks can write to
 * @throws DriverError `KERNEL_CALL_FAILED`
 */
export function addRules(
  ruleset: number,
  entries: readonly UnveilRule[],
  extra: readonly OpenedPath[],
  abi: number,
  known: KnownPaths = new Map(),
  opened: OpenedFiles = new Map(),
): AddedRules {
  const builder = new RulesetBuilder(ruleset, abi, known, opened);
  for (const opened of extra) builder.addOpened(opened);
  for (const entry of entries) builder.add(entry);
  const { applied, skipped, insideNamespace, identities, opensProc } = builder;
  return { applied, skipped, insideNamespace, identities, opensProc };
}

class RulesetBuilder {
  readonly applied: AppliedRule[] = [];
  readonly skipped: SkippedRule[] = [];
  readonly insideNamespace: NamespaceRule[] = [];
  readonly identities = new Map<string, string>();
  opensProc = false;
  readonly #ruleset: number;
  readonly #abi: number;
  readonly #known: KnownPaths;
  readonly #opened: OpenedFiles;

  /**
   * @param known the paths whose rules init adds: see {@link knownRules}
   * @param opened the paths that are already opened
   */
  constructor(ruleset: number, abi: number, known: KnownPaths, opened: OpenedFiles) {
    this.#opened = opened;
    this.#ruleset = ruleset;
    this.#abi = abi;
    this.#known = known;
  }

  addOpened({ fd, mode, path }: OpenedPath): void {
    this.#addOnHost({ path, mode, sources: ["log"] }, fd, kindOf(fstatSync(fd)));
  }

  /** @throws as {@link addRules} */
  add(rule: UnveilRule): void {
    if (rule.ownRoot) {
      const addedBy = rule.madeByTask ? "task" : "init";
      this.#addInNamespace(rule, "folder", { path: rule.path, addedBy });
      return;
    }
    if (rule.inRootDir) {
      const place = { path: rule.path, addedBy: "init", withoutLinks: true } as const;
      this.#addInNamespace(rule, rule.inRootDir, place);
      return;
    }
    const known = isDefault(rule) ? this.#known.get(rule.path) : undefined;
    const opened = this.#opened.get(rule);
    const found = known ?? opened ?? findPath(rule);
    if (found.at === "known") {
      this.identities.set(rule.path, found.identity);
      if (this.#accessOf(rule, found.kind) !== 0) this.#report(rule, found.kind);
    } else if (found.at === "nowhere") {
      if (isConfigured(rule) && !rule.optional) throw missingPath(rule, found.errno);
      this.#skip(rule, `not found (${found.errno})`);
    } else if (found.at === "host") {
      this.identities.set(rule.path, found.identity);
      try {
        this.#addOnHost(rule, found.descriptor, rule.sources.includes("device") ? "device" : found.kind);
      } finally {
        if (opened === undefined) closeSync(found.descriptor);
      }
    } else if (found.at === "proc") {
      this.opensProc ||= isConfigured(rule);
      this.#addInProc(rule, found);
    } else {
      this.#addInNamespace(rule, "file", { path: rule.path, stream: found.stream, addedBy: "task" });
    }
  }

  #addOnHost(rule: UnveilRule, descriptor: number, kind: PathKind): void {
    const access = this.#accessOf(rule, kind);
    if (access === 0) return;
    try {
      landlockAddRule(
        this.#ruleset,
        LANDLOCK_RULE_PATH_BENEATH,
        pathBeneathAttr(access, descriptor),
        rule.path,
      );
    } catch (thrown) {
      // Landlock takes no rule on anonymous pipes and similar files, and does not restrict their use.
      const anonymous = hasErrno(thrown, "EBADFD");
      if (!anonymous || isConfigured(rule)) throw thrown;
      this.#skip(rule, "Landlock takes no rule for such a file, and does not restrict it");
      return;
    }
    this.#report(rule, kind);
  }

  /**
   * Landlock has no rule for "each process's own file": a rule on /proc/self/status would apply to one
   * process, and a shell's children would be refused. But an option with such a path is meant for all
   * processes of the task. So it allows reading in all of the task's own /proc, which shows only the task's
   * processes and the kernel's public files. Rules of default paths, and rights other than reading, apply to
   * the main process only. With other rights in all of /proc, root could change the host's sysctls.
   */
  #addInProc(rule: UnveilRule, { path, perProcess, kind }: FoundInProc): void {
    if (!perProcess || !isConfigured(rule) || !rule.mode.read) {
      this.#addInNamespace(rule, kind, { path, addedBy: perProcess ? "task" : "init" });
      return;
    }
    const all = { ...rule, path: "/proc", mode: READ };
    this.#addInNamespace(all, "folder", { path: "/proc", addedBy: "init" });
    const more = { ...rule.mode, read: false };
    if (formatMode(more) !== "")
      this.#addInNamespace({ ...rule, mode: more }, kind, { path, addedBy: "task" });
  }

  #addInNamespace(
    rule: UnveilRule,
    kind: PathKind,
    place: Pick<NamespaceRule, "path" | "stream" | "addedBy" | "withoutLinks">,
  ): void {
    const access = this.#accessOf(rule, kind);
    if (access === 0) return;
    this.insideNamespace.push({
      ...place,
      access,
      required: isConfigured(rule) || rule.madeByTask === true || rule.inMemory === true,
    });
    // An entry for the root would seem to open all of it.
    if (!rule.inRootDir || !rule.listing) this.#report(rule, kind);
  }

  #accessOf(rule: UnveilRule, kind: PathKind): number {
    const access = rule.listing
      ? maskOfRights(["fs.read_dir"], this.#abi)
      : accessOf(rule.mode, kind, this.#abi);
    if (access === 0) this.#skip(rule, `${formatMode(rule.mode)} grants nothing on a ${kind}`);
    return access;
  }

  #report({ path, target = path, mode, sources }: UnveilRule, kind: PathKind): void {
    const create = kind === "folder" && mode.create;
    this.applied.push({
      path: target,
      mode: formatMode({ ...mode, create }),
      kind,
      source: sources.join(", "),
    });
  }

  #skip({ path }: UnveilRule, reason: string): void {
    this.skipped.push({ path, reason });
  }
}

const READ: UnveilMode = { read: true, write: false, execute: false, create: false };
