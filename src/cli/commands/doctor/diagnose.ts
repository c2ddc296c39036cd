/** `doctor`: checks whether this host can run tasks. */

import { existsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { DriverError, withCall } from "../../../base/errors.ts";
import { findOffers } from "../../../driver/node/nodeParts.ts";
import type { PluginOptions } from "../../../driver/options/pluginOptions.ts";
import { probeHost } from "../../../effects/host/hostFacts.ts";
import type { HostProblem } from "../../../effects/host/hostHealth.ts";
import { findLeftovers } from "../../../localAgent/work/leftovers.ts";
import { workParent } from "../../../localAgent/work/workFolder.ts";
import { quarantinedLogs } from "../../../store/folder/logFolders.ts";
import { checkStateFolder, stateFolderPaths } from "../../../store/folder/stateFolder.ts";
import { requireRoom } from "../../../store/lmdb/lmdbFile.ts";
import { leftoverSentence } from "../../tasks/leftoverText.ts";
import { jsonOf } from "../../terminal/json.ts";
import { print } from "../../terminal/output.ts";
import { styleFor, widthOf } from "../../terminal/style.ts";
import type { AgentFinding } from "./agentFinding.ts";
import { deprecatedInHistories, deprecatedOfPlugin } from "./deprecatedOptions.ts";
import { formatReport, reportOn, type StateFolderFinding } from "./report.ts";

export interface DiagnosisInput {
  /** Options of the plugin block, if they are at hand. */
  readonly plugin?: PluginOptions | undefined;
  /** What the host's agent says, if it was asked. */
  readonly agent?: AgentFinding | undefined;
}

/** @returns the exit code: 1 if tasks cannot run */
export async function diagnose(
  stateDir: string,
  json: boolean,
  { plugin, agent }: DiagnosisInput = {},
): Promise<number> {
  const leftovers = findLeftovers(workParent).leftovers.map((each) => leftoverSentence(each, Date.now()));
  const facts = probeHost();
  const offers = await findOffers(facts);
  const state = facts.root
    ? inspectStateFolder(stateDir)
    : { found: resolve(stateDir), checked: false, problem: undefined, quarantined: [] };
  const ofHistories = facts.root ? await deprecatedInHistories(stateDir) : [];
  const deprecated = [...(plugin ? deprecatedOfPlugin(plugin) : []), ...ofHistories];
  const report = reportOn(facts, state, leftovers, offers, { deprecated, agent });
  const text = json
    ? jsonOf("doctor", report, 2)
    : formatReport(report, styleFor(process.stdout), widthOf(process.stdout));
  print(text);
  return report.fit ? 0 : 1;
}

/**
 * Checks whether the driver can keep its event log in a folder. Runs the driver's own checks, and changes
 * nothing.
 */
export function inspectStateFolder(path: string): StateFolderFinding {
  const folder = resolve(path);
  const exists = existsSync(folder);
  try {
    checkStateFolder(folder);
    requireRoom(exists ? folder : dirname(folder), 0);
    return {
      found: exists ? folder : `${folder}, to be made`,
      checked: true,
      problem: undefined,
      quarantined: exists ? quarantinedLogs(stateFolderPaths(folder).events) : [],
    };
  } catch (thrown) {
    return { found: folder, checked: true, problem: problemOf(thrown), quarantined: [] };
  }
}

function problemOf(thrown: unknown): HostProblem {
  const error = DriverError.from(thrown, "STATE_DIR_UNUSABLE", "the state folder cannot be used");
  return {
    what: withCall(error.summary, error.failed),
    consequence: "the driver cannot keep its event log, and starts no tasks",
    remedy: error.hint ?? "Choose another folder with the plugin option state_dir",
  };
}
