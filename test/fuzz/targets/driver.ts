/** Decoders of what agents send: messages, options, handles, and the driver's own errors. */

import { isDeepStrictEqual } from "node:util";
import { Metadata } from "@grpc/grpc-js";
import { toTaskId } from "../../../src/base/taskId.ts";
import { parsePluginOptions } from "../../../src/driver/options/pluginOptions.ts";
import { decodeGoDriverHandle } from "../../../src/driver/recovery/goDriverHandle.ts";
import { decodeHandle, encodeHandle } from "../../../src/driver/recovery/taskHandle.ts";
import { taskEnvironment } from "../../../src/effects/command/taskEnvironment.ts";
import { parseEnviron } from "../../../src/effects/exec/taskEnviron.ts";
import { taskFolders } from "../../../src/effects/layout/layout.ts";
import { placeMountBlocks } from "../../../src/effects/layout/mountBlocks.ts";
import { parseTaskOptions } from "../../../src/effects/parts.ts";
import { unveilRules } from "../../../src/effects/unveil/unveilRules.ts";
import { requestOf, topologyOf } from "../../../src/grpc/convert/requests.ts";
import { DriverError as ErrorMessage } from "../../../src/grpc/generated/exec2/error.ts";
import { BasePluginService } from "../../../src/grpc/generated/nomad/base.ts";
import { DriverService } from "../../../src/grpc/generated/nomad/driver.ts";
import { decodeMsgpack, encodeMsgpack } from "../../../src/grpc/options.ts";
import { carriedError } from "../../../src/grpc/status.ts";
import { allowing, hold, type Target } from "../target.ts";

const services = [...Object.values(BasePluginService), ...Object.values(DriverService)];

/** Input: the number of a method, then a request of this method. */
export const messages: Target = {
  fuzz: ([which = 0, ...rest]) => {
    const { requestDeserialize, requestSerialize, path } = services[
      which % services.length
    ] as (typeof services)[number];
    let request: unknown;
    try {
      request = requestDeserialize(Buffer.from(rest));
    } catch {
      // grpc-js answers the call with an error.
      return;
    }
    const again = requestDeserialize((requestSerialize as (value: unknown) => Buffer)(request));
    hold(isDeepStrictEqual(again, request), `${path} reads what it wrote as something else`);
    allowing(["UNSUPPORTED", "CONFIG_INVALID"], () => convert(path, request));
  },
  seeds: async () => {
    const { captureNames, capturedMessages } = await import("../../support/agent/captures.ts");
    return captureNames
      .flatMap(capturedMessages)
      .filter(({ dir }) => dir === "request")
      .flatMap(({ method, bytes }) => {
        const which = services.findIndex(({ path }) => path === method.path);
        return which < 0 ? [] : [Buffer.concat([Buffer.of(which), bytes])];
      });
  },
};

function convert(path: string, request: unknown): void {
  const { task, handle, nomadConfig } = request as Record<string, never>;
  if (path.endsWith("/StartTask") && task) taskFolders(requestOf(task).env);
  if (path.endsWith("/RecoverTask") && handle) {
    const { config } = handle as { config?: never };
    if (config) requestOf(config);
  }
  if (path.endsWith("/SetConfig") && nomadConfig) topologyOf(nomadConfig);
}

const plugin = parsePluginOptions({
  unveil_by_task: true,
  groups_by_task: ["*"],
  allow_host_ipc: true,
  allow_host_pid: true,
  allow_host_root: true,
  allow_seccomp: ["default", "unconfined"],
  allow_caps: ["net_raw", "chown"],
});

const folders = {
  rootDir: "/a/t",
  taskDir: "/a/t/local",
  allocDir: "/a/alloc",
  secretsDir: "/a/t/secrets",
  tmpDir: "/a/t/tmp",
};

/** Options of a plugin or a task, as MessagePack. */
export const options: Target = {
  fuzz: (bytes) => {
    const decoded = allowing(["CONFIG_INVALID"], () => decodeMsgpack(bytes));
    const asPlugin = allowing(["CONFIG_INVALID"], () => parsePluginOptions(decoded));
    const asTask = allowing(["CONFIG_INVALID"], () => parseTaskOptions(decoded, plugin));
    const blocks = asTask?.mount ?? [];
    const placed = allowing(["MOUNT_SOURCE_INVALID", "MOUNT_TARGET_INVALID"], () =>
      placeMountBlocks(blocks, [], folders),
    );
    for (const root of ["private", "host"] as const) {
      if (asTask) unveilRules({ options: asPlugin ?? plugin, task: asTask, folders, root, ...placed });
    }
  },
  seeds: () => [
    encodeMsgpack({
      command: "sh",
      args: ["-c", "true"],
      unveil: ["rx:/usr", "rwc:/srv/x"],
      work_dir: "/srv",
    }),
    encodeMsgpack({
      command: "a",
      mount: [
        { source: "alloc/data/x", target: "/etc/x", readonly: "false" },
        { type: "tmpfs", target: "/var/x", size: "64MB" },
      ],
    }),
    encodeMsgpack({
      command: "a",
      ulimit: { nofile: "1024:4096", core: "unlimited" },
      nice: 3,
      umask: "022",
    }),
    encodeMsgpack({
      command: "a",
      cap_add: ["chown"],
      cap_drop: ["all"],
      groups: ["adm"],
      pids_limit: 7,
      shm_size: "1MiB",
    }),
    encodeMsgpack({
      command: "a",
      connect_tcp: [1, 65535],
      bind_tcp: [],
      connect_udp: [53],
      seccomp: "default",
      seccomp_deny: ["bpf"],
    }),
    encodeMsgpack({
      command: "a",
      extra_hosts: ["x:127.0.0.1"],
      pid_mode: "host",
      ipc_mode: "private",
      root: "host",
    }),
    encodeMsgpack({
      unveil_paths: ["r:/srv"],
      denied_envvars: ["AWS_*"],
      history: { keep: "7d", max_size_mb: 10 },
    }),
    encodeMsgpack({
      dynamic_user_ids: "80000-89999",
      denied_host_uids: "0-999,1001",
      seccomp_profiles: ["x"],
    }),
  ],
};

/** The driver's own part of a task handle, or that of HashiCorp's driver. */
export const handles: Target = {
  fuzz: (bytes) => {
    decodeGoDriverHandle(bytes, toTaskId("id"));
    const handle = allowing(["HANDLE_INVALID"], () => decodeHandle(bytes));
    if (handle === undefined) return;
    hold(isDeepStrictEqual(decodeHandle(encodeHandle(handle)), handle), "a handle is not read as written");
  },
  seeds: () => [
    encodeHandle({
      version: 1,
      taskId: "a/b/c",
      bootId: "b",
      init: { pid: 7, startTicks: 8 },
      task: { pid: 9, startTicks: 10 },
      uid: 80_000,
      gid: 80_000,
      cgroup: "/sys/fs/cgroup/x",
      runFolder: "/run/x",
      startedAt: 1.7e12,
      oomKills: 0,
      runCgroup: null,
    }),
    encodeMsgpack({ PID: 7, StartedAt: 1.7e12, TaskConfig: { ID: "id" } }),
    Buffer.from("83a350494407a953746172746564417440aa5461736b436f6e66696781a24944a26964", "hex"),
  ],
};

/** The metadata of a failed call. */
export const carriedErrors: Target = {
  fuzz: (bytes) => {
    const metadata = new Metadata();
    metadata.set("exec2-error-bin", bytes);
    const error = carriedError(metadata);
    hold(error === undefined || typeof error.message === "string", "an error has no text");
  },
  seeds: () => [
    ErrorMessage.encode({
      code: "LAUNCH_FAILED",
      summary: "a step failed",
      failed: { call: "execve", path: "/bin/x", errno: "ENOENT" },
      hint: "look",
      recoverable: true,
    }).finish(),
  ],
};

/** Whether `denied_envvars` removes a variable. A letter before name and pattern makes every name valid. */
function isDenied(glob: string, name: string): boolean {
  const rules = { deniedEnvvars: [`x${glob}`], cores: undefined };
  const user = { name: "nobody", home: "/" };
  return !Object.hasOwn(taskEnvironment({ [`x${name}`]: "" }, user, "/tmp", rules), `x${name}`);
}

/** A pattern of `denied_envvars`, a NUL, and an environment in the kernel's form. */
export const environments: Target = {
  fuzz: (bytes) => {
    const [glob = "", ...rest] = bytes.toString("latin1").split("\0");
    const env = parseEnviron(rest.join("\0"));
    for (const [name, value] of Object.entries(env)) {
      hold(typeof value === "string", `${name} has no value`);
      // Matches the glob again by dynamic programming, to check the faster algorithm.
      if (glob.length * name.length > 4_000) continue;
      hold(isDenied(glob, name) === matchesSlowly(glob, name), `${glob} and ${name}`);
    }
  },
  seeds: () => [
    "AWS_*\0AWS_KEY=x\0HOME=/\0",
    "*a*b*\0aabb=1\0=\0",
    "*\0X=\0",
    "a\0a=1",
    "**x\0xx=\0__proto__=1\0",
  ],
};

function matchesSlowly(glob: string, text: string): boolean {
  let reached = [true, ...Array<boolean>(text.length).fill(false)];
  for (const character of glob) {
    let before = false;
    reached = reached.map((was, at) => {
      const now =
        character === "*" ? was || before : at > 0 && text[at - 1] === character && reached[at - 1] === true;
      before = now;
      return now;
    });
  }
  return reached.at(-1) === true;
}
