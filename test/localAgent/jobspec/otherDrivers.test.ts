import { expect, it } from "vitest";
import { taskOptionsSpec } from "../../../src/effects/parts.ts";
import { specOf } from "../../../src/grpc/options.ts";
import { attributeSpecs } from "../../../src/localAgent/files/pluginConfig.ts";
import { adviceOnDriver, adviceOnOption } from "../../../src/localAgent/jobspec/otherDrivers.ts";

const own = attributeSpecs(specOf(taskOptionsSpec())).map(({ name }) => name);

it("options that the driver has need no advice", () => {
  expect(own.length).toBeGreaterThan(20);
  expect(own.filter((name) => adviceOnOption(name) !== undefined)).toEqual([]);
});

/** The options of Nomad's drivers docker, exec, raw_exec and java, beside those of all drivers. */
const options = {
  docker:
    "image ports volumes entrypoint privileged network_mode dns_servers hostname devices labels logging auth force_pull tmpfs sysctl init tty interactive readonly_rootfs security_opt userns_mode uts_mode memory_hard_limit cpuset_cpus runtime healthchecks",
  raw_exec: "cgroup_v1_override cgroup_v2_override denied_envvars",
  java: "class class_path jar_path jvm_options",
};

it.each(Object.entries(options))("each option of %s that the driver lacks has an advice", (driver, names) => {
  for (const name of names.split(" ")) {
    expect(adviceOnOption(name), name).toBeTypeOf("string");
    expect(adviceOnDriver(driver, { [name]: 1, command: "x" })).toContain(
      `; ${name}: ${adviceOnOption(name)}.`,
    );
  }
});

it.each(["constructor", "toString", "comand"])("an option that no driver has, %s, has none", (name) => {
  expect(adviceOnOption(name)).toBeUndefined();
});
