/**
 * The rules of a ruleset that is being built, and the report of them.
 *
 * A rule holds for what its path leads to when the task starts: a file, or a folder
 * with everything below it. So a path that the options name must exist by then; the
 * default paths are those of many kinds of hosts, and skipped where they do not.
 */
import { closeSync, fstatSync } from "node:fs";
import { formatMode, type UnveilMode } from "../../config/options/unveil.ts";
import { isConfigured, type UnveilRule } from "../../config/task/unveilRules.ts";
import { DriverError } from "../../errors.ts";
import { landlockAddRule } from "../kernel/libc.ts";
import { accessOf, type PathKind } from "./access.ts";
import { pathBeneathAttr, RULE_PATH_BENEATH } from "./attributes.ts";
import { find, kindOf } from "./paths.ts";

/** Something that is open already: what its descriptor names gets a rule, wherever its path leads by now. */
export interface OpenedPath {
  readonly fd: number;
  readonly mode: UnveilMode;
  /** For the report alone. */
  readonly path: string;
}

export interface AppliedRule {
  readonly path: string;
  /** Letters of {@link UnveilMode}. */
  readonly mode: string;
  readonly kind: PathKind;
  /** Who asked for it. */
  readonly source: string;
}

export interface SkippedRule {
  readonly path: string;
  readonly reason: string;
}

/**
 * A rule that only a process in the task's namespaces can add: it opens the path
 * (`O_PATH`, symlinks followed) and adds the descriptor with landlock_add_rule(2).
 */
export interface NamespaceRule {
  readonly path: string;
  /** `allowed_access` of `struct landlock_path_beneath_attr`. */
  readonly access: number;
  /**
   * `init`: the namespace's first process, once /proc is mounted and before it makes the
   * task. It must keep the descriptor open until it ends: procfs makes an inode anew when
   * nobody holds it, and a rule goes with its inode.
   * `task`: the task's main process, before it restricts itself, for what is its own.
   */
  readonly addedBy: "init" | "task";
  /** Whether the task must not start without it. */
  readonly required: boolean;
}

export class RulesetDraft {
  readonly applied: AppliedRule[] = [];
  readonly skipped: SkippedRule[] = [];
  readonly insideNamespace: NamespaceRule[] = [];
  readonly #ruleset: number;
  readonly #abi: number;

  constructor(ruleset: number, abi: number) {
    this.#ruleset = ruleset;
    this.#abi = abi;
  }

  addOpened({ fd, mode, path }: OpenedPath): void {
    this.#addHere({ path, mode, sources: ["log"] }, fd, kindOf(fstatSync(fd)));
  }

  /** @throws as `buildRuleset` */
  add(rule: UnveilRule): void {
    const found = find(rule);
    if (found.at === "nowhere") {
      if (isConfigured(rule)) throw missing(rule, found.errno);
      this.#skip(rule, `not found (${found.errno})`);
    } else if (found.at === "host") {
      try {
        this.#addHere(rule, found.descriptor, rule.sources.includes("device") ? "device" : found.kind);
      } finally {
        closeSync(found.descriptor);
      }
    } else if (found.at === "proc") {
      this.#addInProc(rule, found.kind, found.perProcess);
    } else {
      // What a magic link leads to is a file: a pipe, a terminal, whatever the process has open.
      this.#addInside(rule, "file", "task");
    }
  }

  #addHere(rule: UnveilRule, descriptor: number, kind: PathKind): void {
    const access = this.#accessOf(rule, kind);
    if (access === 0) return;
    try {
      landlockAddRule(this.#ruleset, RULE_PATH_BENEATH, pathBeneathAttr(access, descriptor), rule.path);
    } catch (thrown) {
      // An anonymous pipe or the like: Landlock takes no rule there, and restricts nobody there.
      const anonymous = thrown instanceof DriverError && thrown.failed?.errno === "EBADFD";
      if (!anonymous || isConfigured(rule)) throw thrown;
      this.#skip(rule, "no rule can be laid there, and none is needed");
      return;
    }
    this.#report(rule, kind);
  }

  /**
   * Landlock cannot say "what is each process's own": a rule on /proc/self/status would hold
   * for one process, and a shell's children would be refused. Where the options name such a
   * path, all processes of the task are meant, so reading is allowed in the whole of the task's
   * own /proc: it shows the task's processes, and what the kernel tells everybody. The defaults
   * do not open that much: theirs hold for the main process. So does anything but reading,
   * which must never hold for all of /proc: root could change the host's sysctls with it.
   */
  #addInProc(rule: UnveilRule, kind: PathKind, perProcess: boolean): void {
    if (!perProcess || !isConfigured(rule) || !rule.mode.read) {
      this.#addInside(rule, kind, perProcess ? "task" : "init");
      return;
    }
    this.#addInside({ ...rule, path: "/proc", mode: READ }, "folder", "init");
    const more = { ...rule.mode, read: false };
    if (formatMode(more) !== "") this.#addInside({ ...rule, mode: more }, kind, "task");
  }

  #addInside(rule: UnveilRule, kind: PathKind, addedBy: NamespaceRule["addedBy"]): void {
    const access = this.#accessOf(rule, kind);
    if (access === 0) return;
    this.insideNamespace.push({ path: rule.path, access, addedBy, required: isConfigured(rule) });
    this.#report(rule, kind);
  }

  #accessOf(rule: UnveilRule, kind: PathKind): number {
    const access = accessOf(rule.mode, kind, this.#abi);
    if (access === 0) this.#skip(rule, `${formatMode(rule.mode)} means nothing on a ${kind}`);
    return access;
  }

  #report({ path, at = path, mode, sources }: UnveilRule, kind: PathKind): void {
    const create = kind === "folder" && mode.create;
    this.applied.push({ path: at, mode: formatMode({ ...mode, create }), kind, source: sources.join(", ") });
  }

  #skip({ path }: UnveilRule, reason: string): void {
    this.skipped.push({ path, reason });
  }
}

const READ: UnveilMode = { read: true, write: false, execute: false, create: false };

function missing({ path, sources }: UnveilRule, errno: string): DriverError {
  const owner = sources.includes("plugin") ? "plugin" : "task";
  return new DriverError(
    "UNVEIL_PATH_MISSING",
    `The path ${path}, which the ${owner}'s config unveils, is not there`,
    {
      failed: { call: "openat2", path, errno },
      hint: "Create it before the task starts, or remove the entry",
      recoverable: true,
    },
  );
}
