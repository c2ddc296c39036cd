/** The services that the driver uses once the plugin is configured. */

import type { Logger } from "../base/hclog.ts";
import type { TaskId } from "../base/taskId.ts";
import type { NodeTopology } from "../effects/cgroup/nodeTopology.ts";
import type { HostFacts } from "../effects/host/hostFacts.ts";
import type { EventStore } from "../store/eventStore.ts";
import type { StateFolder } from "../store/folder/stateFolder.ts";
import type { GoodRuns } from "./history/goodRuns.ts";
import type { TaskHistory } from "./history/taskHistory.ts";
import type { UnsavedEvents } from "./history/unsavedEvents.ts";
import type { NodeServices } from "./node/nodeParts.ts";
import type { PluginOptions } from "./options/pluginOptions.ts";

export interface DriverServices extends NodeServices {
  readonly options: PluginOptions;
  /** The node's cores, as the agent reports them. */
  readonly topology: NodeTopology;
  readonly facts: HostFacts;
  readonly folder: StateFolder;
  /** Disposes of the parts of the node. */
  readonly parts: AsyncDisposable;
  readonly store: EventStore;
  readonly goodRuns: GoodRuns;
  /** Events that could not be stored yet. */
  readonly unsaved: UnsavedEvents;
  readonly log: Logger;
  /**
   * Running tasks that the current agent has not requested yet. For a task that this process has not taken
   * over, the value is the task's history, so that the log is read only once.
   */
  readonly unclaimed: Map<TaskId, TaskHistory | undefined>;
  /** This process, as events identify it. */
  readonly plugin: { readonly pid: number; readonly version: string };
}
