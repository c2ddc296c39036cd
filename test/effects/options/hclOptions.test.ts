import { describe, expect, test } from "vitest";
import { z } from "zod";
import { pluginOptionsSpec } from "../../../src/driver/options/pluginOptions.ts";
import { type HclSpec, hclName, hclSpecOf } from "../../../src/effects/options/hclOptions.ts";
import { taskOptionsSpec } from "../../../src/effects/parts.ts";
import { errorOf } from "../../support/errors.ts";

const attr = (name: string, type: string, required = false): HclSpec => ({
  kind: "attr",
  name,
  type,
  required,
});
const withDefault = (primary: HclSpec, literal: string): HclSpec => ({ kind: "default", primary, literal });

// unveil_defaults, unveil_paths and unveil_by_task are exactly what the Go driver answers to ConfigSchema.
test("the plugin's options have this hclspec", () => {
  expect(pluginOptionsSpec).toEqual({
    kind: "object",
    attributes: {
      unveil_defaults: withDefault(attr("unveil_defaults", "bool"), "true"),
      unveil_paths: attr("unveil_paths", "list(string)"),
      unveil_sets: attr("unveil_sets", "list(map(list(string)))"),
      unveil_allowed: attr("unveil_allowed", "list(string)"),
      unveil_by_task: withDefault(attr("unveil_by_task", "bool"), "false"),
      private_tmp: withDefault(attr("private_tmp", "bool"), "true"),
      root: withDefault(attr("root", "string"), '"private"'),
      allow_host_root: withDefault(attr("allow_host_root", "bool"), "false"),
      allow_root_dir: withDefault(attr("allow_root_dir", "bool"), "false"),
      allow_idmapped_volumes: withDefault(attr("allow_idmapped_volumes", "bool"), "false"),
      idmapped_root_volumes: attr("idmapped_root_volumes", "list(string)"),
      disk_limit: attr("disk_limit", "string"),
      disk_limit_missing: withDefault(attr("disk_limit_missing", "string"), '"refuse"'),
      identity_files: withDefault(attr("identity_files", "bool"), "false"),
      writable_logs: withDefault(attr("writable_logs", "bool"), "false"),
      log_collection: withDefault(attr("log_collection", "string"), '"agent"'),
      allow_journald: withDefault(attr("allow_journald", "bool"), "false"),
      journal_namespace: attr("journal_namespace", "string"),
      log_max_files: withDefault(attr("log_max_files", "number"), "10"),
      log_max_file_size: withDefault(attr("log_max_file_size", "string"), '"10"'),
      log_rate: withDefault(attr("log_rate", "string"), '"64"'),
      keep_output: withDefault(attr("keep_output", "string"), '"none"'),
      allow_root: withDefault(attr("allow_root", "bool"), "false"),
      allow_caps: attr("allow_caps", "list(string)"),
      seccomp: withDefault(attr("seccomp", "string"), '"default"'),
      seccomp_profiles: attr("seccomp_profiles", "list(map(list(string)))"),
      allow_seccomp: attr("allow_seccomp", "list(string)"),
      allowed_users: attr("allowed_users", "list(string)"),
      groups_by_task: attr("groups_by_task", "list(string)"),
      dynamic_user_ids: withDefault(attr("dynamic_user_ids", "string"), '"80000-89999"'),
      shared_dynamic_ids: withDefault(attr("shared_dynamic_ids", "string"), '"refuse"'),
      denied_host_uids: withDefault(attr("denied_host_uids", "string"), '""'),
      denied_host_gids: withDefault(attr("denied_host_gids", "string"), '""'),
      denied_envvars: attr("denied_envvars", "list(string)"),
      allow_host_ipc: withDefault(attr("allow_host_ipc", "bool"), "false"),
      allow_host_pid: withDefault(attr("allow_host_pid", "bool"), "false"),
      allow_raised_ulimits: withDefault(attr("allow_raised_ulimits", "bool"), "false"),
      swap_limit: withDefault(attr("swap_limit", "string"), '"0"'),
      pids_limit: withDefault(attr("pids_limit", "number"), "4096"),
      io_max: attr("io_max", "list(map(string))"),
      hugepages: attr("hugepages", "map(string)"),
      allow_cgroup_delegate: withDefault(attr("allow_cgroup_delegate", "bool"), "false"),
      egress: attr("egress", "list(string)"),
      egress_denied: attr("egress_denied", "list(string)"),
      connect_tcp: attr("connect_tcp", "list(number)"),
      bind_tcp: attr("bind_tcp", "list(number)"),
      connect_udp: attr("connect_udp", "list(number)"),
      bind_udp: attr("bind_udp", "list(number)"),
      denials: withDefault(attr("denials", "string"), '"auto"'),
      black_box: withDefault(attr("black_box", "string"), '"off"'),
      observe: withDefault(attr("observe", "string"), '"off"'),
      candidate: withDefault(attr("candidate", "string"), '""'),
      history: attr("history", "list(map(string))"),
      usage_interval: withDefault(attr("usage_interval", "string"), '"1m"'),
      metrics: withDefault(attr("metrics", "string"), '""'),
      exit_message: withDefault(attr("exit_message", "string"), '"cause"'),
      traces: withDefault(attr("traces", "bool"), "false"),
      otlp_metrics: withDefault(attr("otlp_metrics", "bool"), "false"),
      otlp_events: withDefault(attr("otlp_events", "bool"), "false"),
      state_dir: withDefault(attr("state_dir", "string"), '"/var/lib/nomad-driver-exec2"'),
    },
  });
});

// command, args, unveil and oom_score_adj are exactly what the Go driver answers to TaskConfigSchema.
test("a task's options have this hclspec", () => {
  expect(taskOptionsSpec()).toEqual({
    kind: "object",
    attributes: {
      command: attr("command", "string", true),
      args: attr("args", "list(string)"),
      unveil: attr("unveil", "list(string)"),
      unveil_sets: attr("unveil_sets", "list(string)"),
      oom_score_adj: attr("oom_score_adj", "number"),
      cap_add: attr("cap_add", "list(string)"),
      cap_drop: attr("cap_drop", "list(string)"),
      seccomp: attr("seccomp", "string"),
      seccomp_allow: attr("seccomp_allow", "list(string)"),
      seccomp_deny: attr("seccomp_deny", "list(string)"),
      groups: attr("groups", "list(string)"),
      umask: withDefault(attr("umask", "string"), '"022"'),
      nice: withDefault(attr("nice", "number"), "0"),
      ulimit: attr("ulimit", "list(map(string))"),
      ipc_mode: withDefault(attr("ipc_mode", "string"), '"private"'),
      pid_mode: withDefault(attr("pid_mode", "string"), '"private"'),
      root: attr("root", "string"),
      identity_files: attr("identity_files", "bool"),
      shm_size: withDefault(attr("shm_size", "string"), '"64"'),
      tmp_size: attr("tmp_size", "string"),
      disk_limit: attr("disk_limit", "string"),
      root_dir: attr("root_dir", "string"),
      root_dir_writable: withDefault(attr("root_dir_writable", "bool"), "false"),
      mount: attr("mount", "list(map(string))"),
      idmapped_volumes: attr("idmapped_volumes", "list(string)"),
      swap_limit: attr("swap_limit", "string"),
      cpu_hard_limit: withDefault(attr("cpu_hard_limit", "bool"), "true"),
      pids_limit: attr("pids_limit", "number"),
      io: attr("io", "list(map(string))"),
      pressure: attr("pressure", "list(map(string))"),
      hugepages: attr("hugepages", "map(string)"),
      numa_memory: attr("numa_memory", "string"),
      cgroup_view: withDefault(attr("cgroup_view", "string"), '"none"'),
      cgroup_delegate: withDefault(attr("cgroup_delegate", "bool"), "false"),
      log_collection: attr("log_collection", "string"),
      log_max_files: attr("log_max_files", "number"),
      log_max_file_size: attr("log_max_file_size", "string"),
      observe: attr("observe", "string"),
      egress: attr("egress", "list(string)"),
      connect_tcp: attr("connect_tcp", "list(number)"),
      bind_tcp: attr("bind_tcp", "list(number)"),
      connect_udp: attr("connect_udp", "list(number)"),
      bind_udp: attr("bind_udp", "list(number)"),
      extra_hosts: attr("extra_hosts", "list(string)"),
      work_dir: attr("work_dir", "string"),
      stop_command: attr("stop_command", "list(string)"),
    },
  });
});

describe("hclSpecOf", () => {
  const field = (schema: z.ZodType) => {
    const spec = hclSpecOf(z.object({ someKey: schema }));
    return spec.kind === "object" ? spec.attributes.some_key : undefined;
  };

  test("requires options that are not optional and have no default", () => {
    expect(field(z.string())).toEqual(attr("some_key", "string", true));
    expect(field(z.string().optional())).toEqual(attr("some_key", "string"));
  });

  test("ignores checks in schemas", () => {
    expect(field(z.number().refine((value) => value > 1))).toEqual(attr("some_key", "number", true));
  });

  test("writes string defaults so that HCL makes no template of them", () => {
    const dollar = "$";
    expect(field(z.string().default(`a "b" ${dollar}{c} %{d} $`))).toEqual(
      withDefault(attr("some_key", "string"), `"a \\"b\\" ${dollar}${dollar}{c} %%{d} $"`),
    );
  });

  test("refuses what hclspec cannot express", () => {
    const error = errorOf(() => field(z.date()));
    expect(error.code).toBe("UNSUPPORTED");
    expect(error.message).toContain("some_key");
  });
});

test("names have underscores in HCL", () => {
  expect(hclName("oomScoreAdj")).toBe("oom_score_adj");
  expect(hclName("args")).toBe("args");
});
