import { describe, expect, it } from "vitest";
import {
  DriverCapabilities,
  DriverCapabilities_FSIsolation as FsIsolation,
  DriverCapabilities_MountConfigs as MountConfigs,
  NetworkIsolationSpec_NetworkIsolationMode as NetworkMode,
} from "../../src/grpc/generated/nomad/driver.ts";
import {
  collectsLogs,
  type GroupFeatures,
  hasDynamicUsers,
  pathsInTask,
  refuseUnsupported,
} from "../../src/localAgent/plugin/clientRules.ts";

/** The capabilities of a driver that sets no field. */
const silent = DriverCapabilities.decode(new Uint8Array());
const asks = (wish: Partial<GroupFeatures>): GroupFeatures => ({
  networkMode: NetworkMode.HOST,
  hostname: false,
  volumes: false,
  ...wish,
});

describe("a client", () => {
  it("collects logs unless the driver says that its tasks write none", () => {
    expect(collectsLogs(silent)).toBe(true);
    expect(collectsLogs({ ...silent, disableLogCollection: true })).toBe(false);
  });

  it("assigns dynamic users to tasks of drivers that support them", () => {
    expect(hasDynamicUsers(silent)).toBe(false);
    expect(hasDynamicUsers({ ...silent, dynamicWorkloadUsers: true })).toBe(true);
  });

  it.each([
    ["NONE", "/on/host/local"],
    ["UNVEIL", "/on/host/local"],
    ["CHROOT", "/local"],
    ["IMAGE", "/local"],
  ] as const)("tells a task of a driver with isolation %s that its folder is %s", (isolation, task) => {
    const onHost = { alloc: "/on/host/alloc", task: "/on/host/local", secrets: "/on/host/secrets" };
    const paths = pathsInTask({ ...silent, fsIsolation: FsIsolation[isolation] }, onHost);
    expect(paths).toEqual(task === "/local" ? { alloc: "/alloc", task, secrets: "/secrets" } : onHost);
  });

  it("refuses network modes that the driver does not support", () => {
    const modes = [NetworkMode.HOST, NetworkMode.NONE];
    const driver = { ...silent, networkIsolationModes: modes };
    for (const networkMode of modes) refuseUnsupported(driver, asks({ networkMode }));
    expect(() => refuseUnsupported(driver, asks({ networkMode: NetworkMode.GROUP }))).toThrow(
      "refuses the network mode group",
    );
    expect(() => refuseUnsupported(silent, asks({}))).toThrow("refuses the network mode host");
  });

  it("refuses host names unless the driver creates networks, and volumes unless the driver mounts them", () => {
    const driver = { ...silent, networkIsolationModes: [NetworkMode.HOST] };
    expect(() => refuseUnsupported(driver, asks({ hostname: true }))).toThrow("hostname");
    refuseUnsupported({ ...driver, mustCreateNetwork: true }, asks({ hostname: true }));
    refuseUnsupported(driver, asks({ volumes: true }));
    const without = { ...driver, mountConfigs: MountConfigs.NO_MOUNTS };
    expect(() => refuseUnsupported(without, asks({ volumes: true }))).toThrow("volumes");
  });
});
