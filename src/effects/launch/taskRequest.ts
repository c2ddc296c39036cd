/**
 * A task as the agent requests it, in the driver's own types. The gRPC layer converts Nomad's `TaskConfig` to
 * a {@link TaskRequest} once the task's options are checked. Pure.
 */

import type { TaskId } from "../../base/taskId.ts";
import type { TaskResources } from "../cgroup/nodeTopology.ts";
import type { TaskDevice, TaskMount } from "../layout/layout.ts";
import type { LogDestination } from "../logs/options.ts";
import type { TaskDns } from "../names/taskEtcFiles.ts";
import type { TaskNetwork } from "../network/network.ts";
import type { TaskOptions } from "../parts.ts";

export interface TaskRequest extends LogDestination {
  /** `<allocation id>/<task name>/<8 hex digits>`, new at every start. */
  readonly taskId: TaskId;
  readonly taskName: string;
  readonly allocId: string;
  readonly groupName: string;
  /** The allocation's number among those of its group, from 0; null if the agent did not tell it. */
  readonly allocIndex: number | null;
  readonly jobId: string;
  readonly jobName: string;
  readonly namespace: string;
  readonly nodeId: string;
  readonly nodeName: string;
  readonly options: TaskOptions;
  /** The task's environment, without the variables that the driver adds. Holds secrets. */
  readonly env: Readonly<Record<string, string>>;
  /** `nomad-<n>` for a dynamic user, a name in the host's user database, or empty. */
  readonly user: string;
  /** The allocation's private folder, `<data>/alloc/<alloc>`. */
  readonly allocDir: string;
  readonly resources: TaskResources;
  readonly network: TaskNetwork;
  readonly mounts: readonly TaskMount[];
  readonly devices: readonly TaskDevice[];
  readonly dns: TaskDns | undefined;
}
