import { describe, expect, test } from "vitest";
import { parsePluginOptions } from "../../../src/driver/options/pluginOptions.ts";
import { errorOf } from "../../support/errors.ts";

const defaults = {
  unveilDefaults: true,
  unveilPaths: [],
  unveilSets: [],
  unveilAllowed: [],
  unveilByTask: false,
  privateTmp: true,
  root: "private",
  allowHostRoot: false,
  allowRootDir: false,
  allowIdmappedVolumes: false,
  idmappedRootVolumes: [],
  identityFiles: false,
  writableLogs: false,
  logCollection: "agent",
  logMaxFiles: 10,
  logMaxFileSize: 10,
  allowRoot: false,
  allowCaps: ["net_bind_service"],
  seccomp: "default",
  seccompProfiles: [],
  allowSeccomp: [],
  groupsByTask: false,
  dynamicUserIds: "80000-89999",
  sharedDynamicIds: "refuse",
  deniedHostUids: "",
  deniedHostGids: "",
  deniedEnvvars: [],
  allowHostIpc: false,
  allowHostPid: false,
  allowRaisedUlimits: false,
  pidsLimit: 4_096,
  swapLimit: 0,
  ioMax: [],
  egressDenied: [],
  denials: "auto",
  blackBox: "off",
  history: [],
  usageInterval: "1m",
  metrics: "",
  exitMessage: "cause",
  traces: false,
  stateDir: "/var/lib/nomad-driver-exec2",
};

describe("parsePluginOptions", () => {
  test.each([
    ["an empty map", {}],
    ["nothing", undefined],
    ["nil", null],
    [
      "nil for some options",
      { unveil_defaults: null, unveil_paths: null, allow_root: null, state_dir: null },
    ],
  ])("makes the defaults from %s", (_, raw) => {
    expect(parsePluginOptions(raw)).toEqual(defaults);
  });

  test("takes every option by its HCL name", () => {
    const raw = {
      unveil_defaults: false,
      egress: ["10.0.0.0/8:5432"],
      egress_denied: ["169.254.169.254"],
      unveil_paths: ["rx:/opt/bin", "r:/srv/certs"],
      unveil_sets: [{ cuda: ["rw:/dev/nvidia0"] }],
      unveil_allowed: ["rx:/opt"],
      unveil_by_task: true,
      private_tmp: false,
      root: "host",
      allow_host_root: true,
      allow_root_dir: true,
      allow_idmapped_volumes: true,
      idmapped_root_volumes: ["/srv/web"],
      identity_files: true,
      writable_logs: true,
      log_collection: "driver",
      log_max_files: 3,
      log_max_file_size: 50,
      allow_root: true,
      allow_caps: ["CAP_KILL", "all"],
      seccomp: "browser",
      seccomp_profiles: [{ browser: ["+@namespace"] }],
      allow_seccomp: ["unconfined", "@io_uring"],
      groups_by_task: true,
      dynamic_user_ids: "200000-209999",
      shared_dynamic_ids: "warn",
      denied_host_uids: "0,100-999",
      denied_host_gids: "27",
      denied_envvars: ["AWS_*"],
      allow_host_ipc: true,
      allow_host_pid: true,
      allow_raised_ulimits: true,
      pids_limit: 500,
      swap_limit: -1,
      io_max: [{ read: "100MB" }],
      denials: "on",
      black_box: "on",
      history: [{ keep: "1h" }],
      usage_interval: "5m",
      metrics: "[::1]:9464",
      exit_message: "output",
      traces: true,
      state_dir: "/srv/exec2",
    };
    expect(parsePluginOptions(raw)).toEqual({
      unveilDefaults: false,
      unveilPaths: ["rx:/opt/bin", "r:/srv/certs"],
      unveilSets: [{ cuda: ["rw:/dev/nvidia0"] }],
      unveilAllowed: ["rx:/opt"],
      unveilByTask: true,
      privateTmp: false,
      root: "host",
      allowHostRoot: true,
      allowRootDir: true,
      allowIdmappedVolumes: true,
      idmappedRootVolumes: ["/srv/web"],
      identityFiles: true,
      writableLogs: true,
      logCollection: "driver",
      logMaxFiles: 3,
      logMaxFileSize: 50,
      allowRoot: true,
      allowCaps: ["CAP_KILL", "all"],
      seccomp: "browser",
      seccompProfiles: [{ browser: ["+@namespace"] }],
      allowSeccomp: ["unconfined", "@io_uring"],
      groupsByTask: true,
      dynamicUserIds: "200000-209999",
      sharedDynamicIds: "warn",
      deniedHostUids: "0,100-999",
      deniedHostGids: "27",
      deniedEnvvars: ["AWS_*"],
      allowHostIpc: true,
      allowHostPid: true,
      allowRaisedUlimits: true,
      pidsLimit: 500,
      swapLimit: -1,
      ioMax: [{ read: "100MB" }],
      egress: ["10.0.0.0/8:5432"],
      egressDenied: ["169.254.169.254"],
      denials: "on",
      blackBox: "on",
      history: [{ keep: "1h" }],
      usageInterval: "5m",
      metrics: "[::1]:9464",
      exitMessage: "output",
      traces: true,
      stateDir: "/srv/exec2",
    });
  });

  test("gives every caller a list of its own", () => {
    expect(parsePluginOptions({}).unveilPaths).not.toBe(parsePluginOptions({}).unveilPaths);
  });

  test.each<[unknown, string]>([
    [{ unveil_path: [] }, 'unknown option "unveil_path"'],
    [{ unveilPaths: [] }, 'unknown option "unveilPaths"'],
    [{ a: 1, b: 2 }, 'unknown options "a", "b"'],
    [{ unveil_defaults: "yes" }, 'option "unveil_defaults" must be true or false, not a string'],
    [{ unveil_paths: "r:/x" }, 'option "unveil_paths" must be a list of strings, not a string'],
    [{ unveil_paths: { 0: "r:/x" } }, 'option "unveil_paths" must be a list of strings, not a map'],
    [{ unveil_paths: ["r:/x", 3] }, 'option "unveil_paths" entry 2 must be a string, not a number'],
    [{ unveil_paths: ["r:/x", null] }, 'option "unveil_paths" entry 2 must be a string, not nothing'],
    [{ unveil_paths: ["zz:/x"] }, 'option "unveil_paths" entry 1 ("zz:/x") has the unknown mode letter "z"'],
    [{ unveil_sets: [{ a: ["/x"] }] }, 'option "unveil_sets"'],
    [{ unveil_sets: [{ a: [] }, { a: [] }] }, 'option "unveil_sets" has "a" twice'],
    [{ unveil_paths: ["r:/x/*"] }, "Patterns are not expanded"],
    [{ allow_caps: ["kil"] }, 'option "allow_caps" entry 1 ("kil") is not a capability. Did you mean kill?'],
    [{ groups_by_task: 1 }, 'option "groups_by_task" must be true or false, not a number'],
    [{ denied_host_uids: "1-" }, 'option "denied_host_uids" has "1-", which is neither an id nor a range'],
    [{ denied_host_gids: "x" }, 'option "denied_host_gids" has "x"'],
    [{ denied_host_gids: 5 }, 'option "denied_host_gids" must be a string, not a number'],
    [{ denied_envvars: [""] }, 'option "denied_envvars" entry 1 must not be empty'],
    [{ allow_host_ipc: "yes" }, 'option "allow_host_ipc" must be true or false'],
    [{ allow_host_pid: "yes" }, 'option "allow_host_pid" must be true or false'],
    [{ allow_raised_ulimits: "yes" }, 'option "allow_raised_ulimits" must be true or false'],
    [{ swap_limit: -2 }, 'option "swap_limit" must be a number of MiB, or -1'],
    [{ swap_limit: 1.5 }, 'option "swap_limit" must be a whole number'],
    [{ pids_limit: "many" }, 'option "pids_limit" must be a number, not a string'],
    [{ pids_limit: 1 }, 'option "pids_limit" must be from 2'],
    [{ pids_limit: -1 }, 'option "pids_limit" must be from 2'],
    [{ pids_limit: 2.5 }, 'option "pids_limit" must be a whole number'],
    [{ pids_limit: 4_194_305 }, "to 4194304"],
    [{ usage_interval: "often" }, 'option "usage_interval" must be a duration from 1s to 24h'],
    [{ usage_interval: "500ms" }, "must be a duration from 1s to 24h"],
    [{ usage_interval: "25h" }, "must be a duration from 1s to 24h"],
    [{ metrics: "0.0.0.0:9464" }, 'option "metrics" must be an address of this host with a port'],
    [{ metrics: ":9464" }, "must be an address of this host"],
    [{ metrics: "127.0.0.1:0" }, "must be an address of this host"],
    [{ metrics: "127.0.0.256:9464" }, "must be an address of this host"],
    [{ metrics: "localhost.evil.example:80" }, "must be an address of this host"],
    [{ metrics: "metrics.sock" }, "must be an address of this host"],
    [{ state_dir: "var/lib" }, 'option "state_dir" must be an absolute path'],
    [{ state_dir: "" }, 'option "state_dir" must be an absolute path'],
    [{ state_dir: "/a\0" }, 'option "state_dir" must not contain a NUL byte'],
    [[], "must be a map"],
    ["x", "must be a map"],
  ])("refuses %j", (raw, reason) => {
    const error = errorOf(() => parsePluginOptions(raw));
    expect(error.code).toBe("CONFIG_INVALID");
    expect(error.message).toContain("plugin's config");
    expect(error.message).toContain(reason);
  });

  test("lists the known options if an option is unknown", () => {
    expect(errorOf(() => parsePluginOptions({ x: 1 })).hint).toContain("unveil_by_task");
  });

  test("reports all errors at once", () => {
    const { message } = errorOf(() => parsePluginOptions({ allow_root: 1, private_tmp: "no" }));
    expect(message).toContain('"allow_root"');
    expect(message).toContain('"private_tmp"');
  });
});
