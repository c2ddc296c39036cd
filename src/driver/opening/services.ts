/** What the driver works with once the plugin is configured. */

import type { PluginOptions } from "../../config/options/pluginOptions.ts";
import type { NodeTopology } from "../../config/task/nodeTopology.ts";
import type { HostFacts } from "../../effects/host/hostFacts.ts";
import type { Logger } from "../../log/hclog.ts";
import type { EventStore } from "../../store/eventStore.ts";
import type { StateFolder } from "../../store/folder/stateFolder.ts";
import type { UnsavedEvents } from "../task/unsavedEvents.ts";

export interface DriverServices {
  readonly options: PluginOptions;
  /** The node's cores, as the agent tells them. */
  readonly topology: NodeTopology;
  readonly facts: HostFacts;
  readonly folder: StateFolder;
  readonly store: EventStore;
  /** What the store has refused so far. */
  readonly unsaved: UnsavedEvents;
  readonly log: Logger;
  /** Ids of tasks that run and that the present agent has not asked for yet. */
  readonly unclaimed: Set<string>;
  /** This process, as events name it. */
  readonly plugin: { readonly pid: number; readonly version: string };
}
