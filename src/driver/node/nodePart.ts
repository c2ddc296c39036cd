/** What a node keeps for all its tasks, or offers them if its host can. Pure. */

import type { Observable } from "rxjs";
import type { Logger } from "../../base/hclog.ts";
import type { HostFacts } from "../../effects/host/hostFacts.ts";
import type { Finding, NodeOffer } from "../../effects/host/hostHealth.ts";
import type { StateFolder } from "../../store/folder/stateFolder.ts";
import type { ReadCandidate } from "../observe/candidate.ts";
import type { PluginOptions } from "../options/pluginOptions.ts";

/** What the parts are made of. */
export interface NodeGround {
  readonly log: Logger;
  readonly folder: StateFolder;
  readonly readCandidate: ReadCandidate;
}

interface Configuration {
  readonly options: PluginOptions;
  readonly facts: HostFacts;
}

/** What is kept is disposed of when the plugin ends, or when it cannot begin to work. */
export interface NodePart<Kept extends object> {
  /** Makes what the plugin keeps. Absent for what only the host has. */
  readonly open?: (ground: NodeGround) => Kept;
  /** Finds out, once for a plugin, whether the host can. Never rejects. */
  readonly probe?: (kept: Kept, facts: HostFacts) => Promise<void>;
  /** Applies the options, at first and whenever they are new. Never rejects. */
  readonly configure?: (kept: Kept, configuration: Configuration) => void | Promise<void>;
  /** Absent if every host can, so that nobody has to be told. */
  readonly offer?: NodeOffer & {
    /** Emits now, and whenever {@link now} would say something else. */
    readonly changes?: (kept: Kept) => Observable<unknown>;
    /** What the plugin knows. @param kept undefined while the services are not open */
    readonly now: (kept: Kept | undefined, options: PluginOptions) => Finding;
    /** What this host has, for whoever has no plugin. Changes nothing. Absent if that depends on the plugin alone. */
    readonly find?: (facts: HostFacts) => Finding | Promise<Finding>;
  };
}

/** What the plugin knows of a part that says itself why the host cannot. */
export function ownProblem(kept: { readonly problem: string | undefined } | undefined): Finding {
  return { problem: kept === undefined ? "the driver cannot work yet" : kept.problem };
}
