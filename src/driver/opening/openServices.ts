/**
 * Opens the driver's services. An agent launches the plugin three times, and only the third process opens
 * them, when it gets SetConfig.
 */

import { DriverError } from "../../base/errors.ts";
import type { Logger } from "../../base/hclog.ts";
import type { TaskId } from "../../base/taskId.ts";
import { version } from "../../base/version.ts";
import type { NodeTopology } from "../../effects/cgroup/nodeTopology.ts";
import { ensureKey } from "../../effects/command/envDigest.ts";
import type { DiskLimit } from "../../effects/disk/diskLimits.ts";
import { probeHost } from "../../effects/host/hostFacts.ts";
import { startSpawner } from "../../effects/launch/spawner/spawner.ts";
import { removeSpareFolders } from "../../effects/run/runFiles.ts";
import { knownPaths } from "../../effects/unveil/knownPaths.ts";
import type { EventStore } from "../../store/eventStore.ts";
import { quarantine } from "../../store/folder/logFolders.ts";
import { publishAddress } from "../../store/folder/pluginAddress.ts";
import { openStateFolder } from "../../store/folder/stateFolder.ts";
import { openEventStore } from "../../store/lmdb/lmdbEventStore.ts";
import { GoodRuns } from "../history/goodRuns.ts";
import { UnsavedEvents } from "../history/unsavedEvents.ts";
import { configureParts, openParts } from "../node/nodeParts.ts";
import type { ReadCandidate } from "../observe/candidate.ts";
import type { PluginOptions } from "../options/pluginOptions.ts";
import { reconcile } from "../recovery/reconcile.ts";
import type { DriverServices } from "../services.ts";

/**
 * Locks the state folder, opens the event log and probes the host.
 * @param current the services of an earlier SetConfig of this process, whose folder and log are kept
 * @param inUse whether this process manages the task, or is about to take it over
 * @param socketPath this process's socket
 * @param readCandidate reads the job file of the option `candidate`
 * @throws DriverError `STATE_DIR_IN_USE` if another plugin process owns the folder
 * @throws DriverError `STATE_DIR_UNUSABLE`, `STORE_FAILED` if the folder or its log cannot be used at present
 * @throws DriverError `CONFIG_INVALID` if `state_dir` differs from the open folder
 */
export async function openServices(
  options: PluginOptions,
  topology: NodeTopology,
  log: Logger,
  current: DriverServices | undefined,
  inUse: (taskId: TaskId) => boolean,
  socketPath: string,
  readCandidate: ReadCandidate,
): Promise<DriverServices> {
  const facts = probeHost(topology);
  if (current !== undefined) return reconfigured(current, { options, topology, facts });
  const folder = await openStateFolder(options.stateDir);
  await using undo = new AsyncDisposableStack();
  undo.defer(() => folder.close());
  ensureKey(folder.path);
  publishAddress(folder.path, socketPath);
  startSpawner(folder.run);
  const parts = undo.use(new AsyncDisposableStack());
  const kept = openParts({ log, folder, readCandidate }, parts);
  const { disk } = kept;
  const probing = configureParts(kept, { options, facts }, true);
  const { store, initialized } = await openLog(folder.events, log, async (opened) => {
    const unsaved = new UnsavedEvents(log);
    const goodRuns = new GoodRuns(opened);
    const known = { folder, store: opened, log, unsaved, disk, goodRuns, options };
    try {
      return { unsaved, goodRuns, unclaimed: await reconcile(known, inUse) };
    } catch (thrown) {
      unsaved.stop();
      throw thrown;
    }
  });
  const { unsaved, goodRuns, unclaimed } = initialized;
  // The next attempt opens the log anew. Two of its stores would overwrite each other's events.
  undo.defer(() => store.close());
  undo.defer(() => unsaved.stop());
  await disk.recover(diskLimitsOf(unclaimed));
  await probing;
  // Looks up the default paths now, so that the first start does not have to.
  setImmediate(knownPaths);
  undo.move();
  const plugin = { pid: process.pid, version };
  return {
    ...kept,
    parts,
    options,
    topology,
    facts,
    folder,
    store,
    goodRuns,
    unsaved,
    log,
    plugin,
    unclaimed,
  };
}

/** Undefined if a running task's history is not known. */
function diskLimitsOf(running: DriverServices["unclaimed"]): Map<TaskId, DiskLimit> | undefined {
  const limits = new Map<TaskId, DiskLimit>();
  for (const [taskId, history] of running) {
    if (history === undefined) return undefined;
    const disk = history.snapshot.context.sandbox?.disk;
    if (disk !== undefined) limits.set(taskId, disk);
  }
  return limits;
}

/** Tries once more to store the events that the log has refused, then closes everything. */
export async function closeServices(services: DriverServices): Promise<void> {
  await services.unsaved.close();
  await services.parts[Symbol.asyncDispose]();
  removeSpareFolders();
  await services.store.close();
  await services.folder.close();
}

/**
 * Opens the event log. Quarantines a damaged log and begins a new one.
 * @param path the log's folder
 * @param initialize reads what the driver needs from the log; if it throws `STORE_DAMAGED`, the log counts as
 * damaged
 * @throws DriverError `STORE_FAILED` if the log cannot be opened at present
 */
async function openLog<T>(
  path: string,
  log: Logger,
  initialize: (store: EventStore) => Promise<T>,
): Promise<{ readonly store: EventStore; readonly initialized: T }> {
  const open = async () => {
    const store = await openEventStore(path);
    try {
      return { store, initialized: await initialize(store) };
    } catch (thrown) {
      await store.close();
      throw thrown;
    }
  };
  try {
    return await open();
  } catch (thrown) {
    if (!(thrown instanceof DriverError) || thrown.code !== "STORE_DAMAGED") throw thrown;
    const aside = quarantine(path, new Date());
    const { code, message } = thrown;
    log.error("the event log is set aside, and a new one is begun", {
      code,
      error: message,
      set_aside: aside,
    });
    return open();
  }
}

async function reconfigured(
  current: DriverServices,
  changed: Pick<DriverServices, "options" | "topology" | "facts">,
): Promise<DriverServices> {
  const { options } = changed;
  const { stateDir } = current.options;
  if (options.stateDir !== stateDir) {
    throw new DriverError(
      "CONFIG_INVALID",
      `state_dir cannot change from ${stateDir} to ${options.stateDir} while the plugin runs`,
      { hint: "Restart the Nomad agent" },
    );
  }
  await configureParts(current, changed, false);
  return { ...current, ...changed };
}
