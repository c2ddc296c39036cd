/**
 * Converts jobs in the JSON form of Nomad's API, as `nomad job run -output` prints them, to the form of an
 * HCL file. One reader then serves both forms. Pure.
 */

import { escapeLiteral } from "./resolve/template.ts";
import { asList, type Body } from "./syntax.ts";

/**
 * Converts a job.
 * @returns undefined if the content is not in the API's form
 */
export function apiJobToBody(content: Body): Body | undefined {
  const job = asBody(content.Job) ?? ("TaskGroups" in content ? content : undefined);
  if (!job) return undefined;
  const { ID, TaskGroups, ParameterizedJob, ...rest } = withoutExpressions(job) as Body;
  const parameterized = asList(ParameterizedJob).map((block) => rename(block as Body));
  const groups = byName(TaskGroups, ({ Count, Networks, Services, Tasks, Volumes, ...group }) => ({
    ...rename(group),
    service: asList(Services).map((service) => serviceBody(service as Body)),
    // Not passed to rename(), which would drop a count of 0.
    count: Count ?? null,
    volume: volumesBody(Volumes),
    network: asList(Networks).map((network) => networkBody(network as Body)),
    task: byName(Tasks, taskBody),
  }));
  return { job: { [String(ID)]: { ...rename(rest), parameterized, group: groups } } };
}

/**
 * Escapes all `${…}` that are not references. The API's JSON is not HCL, so a shell's `${X:-y}` is literal
 * there. In a template's text, every `${…}` is escaped, because such a text has no references.
 */
function withoutExpressions(value: unknown, key = ""): unknown {
  if (typeof value === "string") {
    return key === "EmbeddedTmpl" ? escapeLiteral(value) : value.replaceAll(noReference, (it) => it[0] + it);
  }
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => withoutExpressions(item));
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [name, withoutExpressions(item, name)]),
  );
}

const noReference = /\$\{(?!\s*[\p{L}\p{N}_.-]+(?:\["[^"\\$]*"\])?\s*\})|%\{/gu;

function taskBody({
  Templates,
  Lifecycle,
  Resources,
  LogConfig,
  KillTimeout,
  Config,
  Env,
  Meta,
  Services,
  VolumeMounts,
  DispatchPayload,
  ...task
}: Body): Body {
  return {
    ...rename(task),
    config: Config ?? {},
    env: Env ?? {},
    meta: Meta ?? {},
    dispatch_payload: asList(DispatchPayload).map((block) => rename(block as Body)),
    lifecycle: asList(Lifecycle).map((block) => rename(block as Body)),
    resources: asList(Resources).map((block) => resourcesBody(block as Body)),
    logs: asList(LogConfig).map((block) => rename(block as Body)),
    service: asList(Services).map((service) => serviceBody(service as Body)),
    volume_mount: asList(VolumeMounts).map((block) => rename(block as Body)),
    template: asList(Templates).map((block) => templateBody(block as Body)),
    kill_timeout: nanoseconds(KillTimeout),
  };
}

function serviceBody({ PortLabel, Checks, CheckRestart, ...service }: Body): Body {
  return {
    ...rename(service),
    port: PortLabel || null,
    check: asList(Checks).map((check) => checkBody(check as Body)),
    check_restart: asList(CheckRestart).map((block) => checkRestartBody(block as Body)),
  };
}

function checkBody({ PortLabel, Interval, Timeout, CheckRestart, TLSSkipVerify, ...check }: Body): Body {
  return {
    ...rename(check),
    port: PortLabel || null,
    interval: nanoseconds(Interval),
    timeout: nanoseconds(Timeout),
    tls_skip_verify: TLSSkipVerify ?? null,
    check_restart: asList(CheckRestart).map((block) => checkRestartBody(block as Body)),
  };
}

function checkRestartBody({ Grace, ...restart }: Body): Body {
  return { ...rename(restart), grace: nanoseconds(Grace) };
}

function nanoseconds(value: unknown): string | null {
  return typeof value === "number" ? `${value}ns` : null;
}

function volumesBody(volumes: unknown): Record<string, Body> {
  const named = Object.entries(asBody(volumes) ?? {});
  return Object.fromEntries(
    named.map(([label, volume]) => {
      const { Name: _, ...rest } = volume as Body;
      return [label, rename(rest)];
    }),
  );
}

/** In the API's form, a limit that is not set is 0. */
function resourcesBody({ CPU, Cores, MemoryMB, MemoryMaxMB, ...rest }: Body): Body {
  return {
    ...rename(rest),
    cpu: Cores ? null : CPU || null,
    cores: Cores ?? null,
    memory: MemoryMB || null,
    memory_max: MemoryMaxMB || null,
  };
}

function templateBody({
  EmbeddedTmpl,
  SourcePath,
  DestPath,
  Envvars,
  LeftDelim,
  RightDelim,
  ...rest
}: Body): Body {
  return {
    ...rename(rest),
    data: String(EmbeddedTmpl ?? ""),
    source: SourcePath || null,
    destination: DestPath,
    env: Envvars ?? null,
    left_delimiter: LeftDelim || null,
    right_delimiter: RightDelim || null,
    perms: rest.Perms || null,
  };
}

function networkBody({ DynamicPorts, ReservedPorts, DNS, Mode, ...rest }: Body): Body {
  const ports = {
    ...byLabel(DynamicPorts, ({ To }) => ({ to: Number(To) > 0 ? To : null })),
    ...byLabel(ReservedPorts, ({ Value, To }) => ({ static: Value, to: Number(To) > 0 ? To : null })),
  };
  const dns = asList(DNS).map((block) => rename(block as Body));
  return { mode: Mode || null, port: ports, dns, hostname: rest.Hostname || null, cni: rest.CNI ?? null };
}

function byName(list: unknown, convert: (item: Body) => Body): Record<string, Body> {
  return Object.fromEntries(
    asList(list).map((item) => {
      const { Name, ...rest } = item as Body;
      return [String(Name), convert(rest)];
    }),
  );
}

function byLabel(list: unknown, convert: (item: Body) => Body): Record<string, Body> {
  return Object.fromEntries(
    asList(list).map((item) => [String((item as Body).Label), convert(item as Body)]),
  );
}

/** The API's names that differ from the job file's names by more than CamelCase. */
const names: Readonly<Record<string, string>> = {
  Affinities: "affinity",
  Constraints: "constraint",
  Spreads: "spread",
  Artifacts: "artifact",
  Actions: "action",
  Identities: "identity",
  Secrets: "secret",
  Devices: "device",
  RestartPolicy: "restart",
  ReschedulePolicy: "reschedule",
  EphemeralDisk: "ephemeral_disk",
  ScalingPolicies: "scaling",
  CSIPluginConfig: "csi_plugin",
  MaxFileSizeMB: "max_file_size",
  DiskMB: "disk",
  IOPS: "iops",
  NUMA: "numa",
  SELinuxLabel: "selinux_label",
  UI: "ui",
};

/** `KillSignal` → `kill_signal`. Drops unset values and fields that only the server uses. */
function rename(block: Body): Record<string, unknown> {
  const kept = Object.entries(block).filter(([key, value]) => !isUnset(value) && !bookkeeping.has(key));
  return Object.fromEntries(kept.map(([key, value]) => [names[key] ?? snakeCase(key), value]));
}

const bookkeeping = new Set([
  "CreateIndex",
  "Dispatched",
  "DispatchIdempotencyToken",
  "Identity",
  "JobModifyIndex",
  "ModifyIndex",
  "NomadTokenID",
  "ConsulNamespace",
  "VaultNamespace",
  "ParentID",
  "Payload",
  "Stable",
  "Status",
  "StatusDescription",
  "Stop",
  "SubmitTime",
  "Version",
]);

function isUnset(value: unknown): boolean {
  if (value === null || value === undefined || value === "" || value === 0 || value === false) return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}

function snakeCase(key: string): string {
  return key.replaceAll(/([a-z0-9])([A-Z])/g, "$1_$2").toLowerCase();
}

function asBody(value: unknown): Body | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Body) : undefined;
}
