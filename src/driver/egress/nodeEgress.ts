/** Where tasks may connect: what all runs share of it. Nothing of it is loaded before the first task needs it. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BehaviorSubject, type Observable } from "rxjs";
import { messageOf } from "../../base/errors.ts";
import type { Logger } from "../../base/hclog.ts";
import { version } from "../../base/version.ts";
import type { EgressControl } from "../../effects/egress/egressControl.ts";
import type { HostFacts } from "../../effects/host/hostFacts.ts";
import { replaceFile } from "../../store/folder/files.ts";
import type { StateFolder } from "../../store/folder/stateFolder.ts";
import type { NameBook } from "./nameBook.ts";

export interface EgressTools {
  readonly control: EgressControl;
  readonly names: NameBook;
  /** The addresses of a name in a hosts file. */
  addressesIn(hosts: string, name: string): string[];
}

export class NodeEgress implements Disposable {
  readonly #log: Logger;
  readonly #folder: Pick<StateFolder, "path" | "run">;
  readonly #problem = new BehaviorSubject<string | undefined>(undefined);
  #tools: Promise<EgressTools> | undefined;

  constructor(log: Logger, folder: Pick<StateFolder, "path" | "run">) {
    this.#log = log;
    this.#folder = folder;
  }

  /** Why this host cannot restrict where tasks connect, as a sentence without its full stop. */
  get problem(): string | undefined {
    return this.#problem.value;
  }

  /** Emits {@link problem} now and after every change. Does not complete. */
  get problems(): Observable<string | undefined> {
    return this.#problem;
  }

  /**
   * Tries whether the host can. Never rejects. That takes a tenth of a launch, so a host that could is not asked
   * again in this boot.
   */
  async probe({ bootId, cgroupMount }: Pick<HostFacts, "bootId" | "cgroupMount">): Promise<void> {
    const host = `${bootId} ${version} ${cgroupMount}\n`;
    if (this.#couldBefore(host)) return;
    try {
      const { findEgressProblem } = await import("../../effects/egress/egressMaps.ts");
      this.#problem.next(findEgressProblem(cgroupMount));
    } catch (thrown) {
      this.#problem.next(messageOf(thrown));
    }
    if (this.problem === undefined) this.#keep(host);
  }

  #couldBefore(host: string): boolean {
    try {
      return readFileSync(this.#tried, "utf8") === host;
    } catch {
      return false;
    }
  }

  #keep(host: string): void {
    try {
      replaceFile(this.#tried, (unfinished) => writeFileSync(unfinished, host, { mode: 0o600 }));
    } catch {
      // The next plugin tries again.
    }
  }

  get #tried(): string {
    return join(this.#folder.path, "egress-tried");
  }

  tools(): Promise<EgressTools> {
    this.#tools ??= this.#load();
    return this.#tools;
  }

  async #load(): Promise<EgressTools> {
    const [{ EgressControl: Control }, { NameBook: Book }, { addressesIn, resolveName }] = await Promise.all([
      import("../../effects/egress/egressControl.ts"),
      import("./nameBook.ts"),
      import("../../effects/egress/resolveName.ts"),
    ]);
    const onProblem = (reason: string | undefined) => {
      if (reason !== undefined) this.#log.warn("refused connections of tasks are not recorded", { reason });
    };
    return {
      control: new Control({ runnerFolder: this.#folder.run, onProblem }),
      names: new Book(resolveName),
      addressesIn,
    };
  }

  /** What is in the kernel stays in force. */
  [Symbol.dispose](): void {
    void this.#tools?.then(({ control }) => control[Symbol.dispose]()).catch(() => undefined);
  }
}
