/**
 * `NOMAD=/path/to/nomad[:/path/to/another] npm run test:agent -- [TEXT]`: runs the driver under real agents, a server
 * and a client of each given version, in namespaces of their own. Needs root. Without a Nomad nothing is tested, and the
 * exit code is 2.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { findCgroup2Mount } from "../../src/effects/cgroup/cgroup.ts";
import { endCgroup } from "../../src/effects/cgroup/cgroupEnd.ts";

const [text = ""] = process.argv.slice(2);
const nomads = (process.env.NOMAD ?? "").split(":").filter((path) => path !== "");
const root = join(import.meta.dirname, "../..");
const results = join(root, "test-results/agent");

if (nomads.length === 0) {
  refuse(
    "NOTHING WAS TESTED: there is no Nomad. Its executable is in no package registry; set NOMAD to its path, or to " +
      "several with colons between them",
  );
}
if (process.getuid?.() !== 0) refuse("NOTHING WAS TESTED: the agents need root");
/** The cgroups of agents' tasks. Each agent makes them at its start. */
const slice = join(findCgroup2Mount() ?? "", "nomad.slice");
if (isPopulated(slice))
  refuse("NOTHING WAS TESTED: an agent of this host has tasks in nomad.slice, which the cases would share");

const versions = nomads.map((nomad) => {
  const { stdout, error } = spawnSync(nomad, ["version"], { encoding: "utf8" });
  if (error) refuse(`NOTHING WAS TESTED: ${nomad} cannot be run: ${error.message}`);
  return /v(\S+)/.exec(stdout)?.[1] ?? "unknown";
});
rmSync(results, { recursive: true, force: true });
let failed = 0;
for (const [index, nomad] of nomads.entries()) {
  const logs = join(results, `${index + 1}-${versions[index]}`);
  console.log(`\nNomad ${versions[index]}, ${nomad}; logs in ${logs}`);
  // A short path, for the sockets of plugins.
  const folder = mkdtempSync("/tmp/agent-");
  // The agents, their plugins and all tasks end with the first process of the pid namespace.
  const namespaces = ["-m", "-n", "-p", "-f", "--kill-child", "--mount-proc", "--propagation", "private"];
  const inside = [join(import.meta.dirname, "inside.ts"), nomad, folder, logs, text];
  const { status } = spawnSync("unshare", [...namespaces, process.execPath, ...inside], { stdio: "inherit" });
  if (status !== 0) failed += 1;
  await endCgroup(slice);
  rmSync(folder, { recursive: true, force: true });
}
console.log(`\n${nomads.length - failed} of ${nomads.length} Nomads passed`);
process.exit(failed === 0 ? 0 : 1);

function refuse(why: string): never {
  console.error(why);
  process.exit(2);
}

/** Whether a cgroup has processes. */
function isPopulated(cgroup: string): boolean {
  const events = `${cgroup}/cgroup.events`;
  return existsSync(events) && /^populated 1$/m.test(readFileSync(events, "utf8"));
}
