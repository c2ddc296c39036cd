import { readFileSync } from "node:fs";
import { beforeAll, expect, test } from "vitest";
import { findCgroup2Mount } from "../../../src/effects/cgroup/cgroup.ts";
import {
  DriverCapabilities_FSIsolation as FsIsolation,
  FingerprintResponse_HealthState as Health,
  DriverCapabilities_MountConfigs as MountConfigs,
  NetworkIsolationSpec_NetworkIsolationMode as NetworkMode,
} from "../../../src/grpc/generated/nomad/driver.ts";
import { type Agent, startAgent } from "../../support/agent/agent.ts";
import { collect } from "../../support/agent/collectedStream.ts";
import { setConfig } from "../../support/agent/requests.ts";
import { startPlugin } from "../../support/plugin/startPlugin.ts";

let agent: Agent;
beforeAll(async () => {
  agent = await startAgent({ options: { unveil_by_task: true } });
});

test("Fingerprint: this machine is healthy, and reports its features", async () => {
  const fingerprint = await collect(agent.driver.fingerprint({})).first(() => true);
  expect(fingerprint).toMatchObject({ health: Health.HEALTHY, err: "" });
  expect(fingerprint.healthDescription).toMatch(/^Healthy/);
  const attributes = [...fingerprint.attributes].map(([name, { value }]) => [name, value?.value]);
  const controllers = readFileSync(`${findCgroup2Mount()}/cgroup.controllers`, "utf8").trim();
  expect(Object.fromEntries(attributes)).toEqual({
    "driver.exec2": true,
    "driver.exec2.version": expect.stringMatching(/^\d+\.\d+\.\d+/),
    "driver.exec2.unveil.defaults": true,
    "driver.exec2.unveil.tasks": true,
    "driver.exec2.root": "private",
    // Depends on the host's audit.
    "driver.exec2.denials": expect.any(Boolean),
    ...(attributes.some(([name]) => name === "driver.exec2.denials.problem") && {
      "driver.exec2.denials.problem": expect.any(String),
    }),
    "driver.exec2.black_box": false,
    "driver.exec2.observe": false,
    // Depends on the host's bpf(2) and cgroup v2.
    "driver.exec2.egress": expect.any(Boolean),
    "driver.exec2.journald": false,
    "driver.exec2.io.weight": expect.any(Boolean),
    "driver.exec2.pressure": expect.any(Boolean),
    ...(attributes.some(([name]) => name === "driver.exec2.egress.problem") && {
      "driver.exec2.egress.problem": expect.any(String),
    }),
    "driver.exec2.landlock.abi": expect.toSatisfy((abi) => abi >= 1),
    "driver.exec2.seccomp": true,
    "driver.exec2.cgroup.controllers": controllers.split(" ").filter(Boolean).sort().join(","),
  });
});

test("Fingerprint: waits for the configuration, and follows it", async () => {
  const plugin = await startPlugin();
  const fingerprints = collect(plugin.driver.fingerprint({}));
  const request = (options: object) => setConfig({ state_dir: agent.stateDir, ...options });
  // An invalid option, so this configuration is refused.
  await expect(plugin.base.setConfig(request({ allow_root: 7 }))).rejects.toThrow("CONFIG_INVALID");
  expect(fingerprints.messages).toEqual([]);
  const followed = collect(agent.driver.fingerprint({}));
  await followed.first(() => true);
  await agent.base.setConfig(request({ unveil_by_task: false }));
  await followed.first(
    ({ attributes }) => attributes.get("driver.exec2.unveil.tasks")?.value?.value === false,
  );
});

test("Capabilities: the agent gets the driver's own", async () => {
  const { capabilities } = await agent.driver.capabilities({});
  expect(capabilities).toMatchObject({
    sendSignals: true,
    fsIsolation: FsIsolation.UNVEIL,
    mountConfigs: MountConfigs.ANY_MOUNTS,
    dynamicWorkloadUsers: true,
    disableLogCollection: false,
    mustCreateNetwork: false,
  });
  expect(new Set(capabilities?.networkIsolationModes)).toEqual(
    new Set([NetworkMode.HOST, NetworkMode.GROUP, NetworkMode.NONE]),
  );
});
