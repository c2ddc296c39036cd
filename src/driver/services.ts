/** The services that the driver uses once the plugin is configured. */

import type { Logger } from "../base/hclog.ts";
import type { TaskId } from "../base/taskId.ts";
import type { NodeTopology } from "../effects/cgroup/nodeTopology.ts";
import type { HostFacts } from "../effects/host/hostFacts.ts";
import type { RootTemplates } from "../effects/root/rootTemplates.ts";
import type { EventStore } from "../store/eventStore.ts";
import type { StateFolder } from "../store/folder/stateFolder.ts";
import type { Recorder } from "./blackBox/recorder.ts";
import type { TaskDenials } from "./denials/taskDenials.ts";
import type { TaskDisk } from "./disk/taskDisk.ts";
import type { TaskEgress } from "./egress/taskEgress.ts";
import type { GoodRuns } from "./history/goodRuns.ts";
import type { TaskHistory } from "./history/taskHistory.ts";
import type { UnsavedEvents } from "./history/unsavedEvents.ts";
import type { PluginOptions } from "./options/pluginOptions.ts";
import type { UsageSampler } from "./usageSampler.ts";

export interface DriverServices {
  readonly options: PluginOptions;
  /** The node's cores, as the agent reports them. */
  readonly topology: NodeTopology;
  readonly facts: HostFacts;
  readonly folder: StateFolder;
  readonly roots: RootTemplates;
  /** Why tasks cannot have a private root on this host; undefined if they can. */
  readonly privateRootProblem: string | undefined;
  /** The kernel's refusals to the tasks' processes. */
  readonly denials: TaskDenials;
  readonly recorder: Recorder;
  /** Where tasks may connect. */
  readonly egress: TaskEgress;
  /** What tasks may write to their own folders. */
  readonly disk: TaskDisk;
  readonly store: EventStore;
  readonly goodRuns: GoodRuns;
  /** Events that could not be stored yet. */
  readonly unsaved: UnsavedEvents;
  readonly log: Logger;
  readonly usage: UsageSampler;
  /**
   * Running tasks that the current agent has not requested yet. For a task that this process has not taken
   * over, the value is the task's history, so that the log is read only once.
   */
  readonly unclaimed: Map<TaskId, TaskHistory | undefined>;
  /** This process, as events identify it. */
  readonly plugin: { readonly pid: number; readonly version: string };
}
