/**
 * Job files that use what pages of Nomad's documentation show: what `validate` says of each, and how it runs. The files
 * are in test/fixtures/jobs/nomadDocs.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";

interface DocumentedJob {
  /** The page, below developer.hashicorp.com/nomad/docs; `tutorials/…` is below developer.hashicorp.com/nomad. */
  readonly page: string;
  /** The option with which `run` accepts it, and which its refusal names. FOLDER stands for a folder that exists. */
  readonly option?: readonly [name: string, value: string];
  /** Why it cannot run here. */
  readonly cannot?: string;
  /** A part of the error that it has without its option, as on a cluster. */
  readonly invalid?: string;
  /** A part of its output. */
  readonly prints?: string;
}

export const documentedJobs: Readonly<Record<string, DocumentedJob>> = {
  action: { page: "job-specification/action", prints: "serving" },
  affinity: { page: "job-specification/affinity" },
  artifact: { page: "job-specification/artifact", option: ["--skip", "artifact"], prints: "fetched" },
  changeScript: { page: "job-specification/change_script", prints: "maxclients 20" },
  check: { page: "job-specification/check" },
  checkRestart: { page: "job-specification/check_restart", prints: "server in mysqld" },
  connect: { page: "job-specification/connect", option: ["--skip", "connect"], prints: "api on" },
  constraint: { page: "job-specification/constraint" },
  consul: { page: "job-specification/consul", option: ["--skip", "consul"], prints: "without a token" },
  csiPlugin: { page: "job-specification/csi_plugin", option: ["--skip", "csi_plugin"], prints: "--nodeid=" },
  csiVolumes: { page: "job-specification/volume", option: ["--skip", "csi"], prints: "instance 1" },
  device: { page: "job-specification/device", option: ["--skip", "device"], prints: "without cards" },
  disconnect: { page: "job-specification/disconnect" },
  dispatchPayload: { page: "job-specification/dispatch_payload", option: ["--skip", "parameterized"] },
  env: { page: "job-specification/env", prints: "4 false ops global " },
  envMap: { page: "job-specification/env", prints: "debug eu" },
  ephemeralDisk: { page: "job-specification/ephemeral_disk", prints: "kept" },
  expose: { page: "job-specification/expose", option: ["--skip", "connect"], prints: "api" },
  gateway: { page: "job-specification/gateway", cannot: "its only task is added by a Nomad server" },
  group: { page: "job-specification/group", prints: "my-value" },
  hclConditional: { page: "job-specification/hcl2/expressions", prints: "small no cores staged 1 -14" },
  hclDynamic: { page: "job-specification/hcl2/expressions", prints: "ONE 0" },
  hclFor: { page: "job-specification/hcl2/expressions", prints: "b c 1:b 2:c a b c 3 db=a web=b+c" },
  hclFunctions: { page: "job-specification/hcl2/functions", prints: "Hello abc cba" },
  hclHeredoc: { page: "job-specification/hcl2/expressions", prints: 'two "lines"' },
  hclLocals: { page: "job-specification/hcl2/locals", prints: "1 registry.example.com/app:1.4.2" },
  hclVariables: {
    page: "job-specification/hcl2/variables",
    option: ["--var", "message=hello"],
    invalid: "it has no default and no value was given",
    prints: "hello tcp 0 a",
  },
  hclYaml: {
    page: "job-specification/hcl2/functions/encoding/yamldecode",
    cannot: "a local run reads no YAML",
  },
  hostVolume: { page: "job-specification/volume", option: ["--host-volume", "registry-data=FOLDER"] },
  identity: {
    page: "job-specification/identity",
    option: ["--skip", "identity"],
    prints: "without an identity",
  },
  interpolation: {
    page: "runtime/interpolation",
    option: ["--node-attr", "nomad.version=1.11.0"],
    prints: "interpolated 0 100 300",
  },
  job: { page: "job-specification/job", prints: "whole-job north-america" },
  killSignal: { page: "job-specification/task" },
  lifecyclePost: { page: "job-specification/lifecycle", prints: "started" },
  lifecyclePrestart: { page: "job-specification/lifecycle", prints: "found" },
  logs: { page: "job-specification/logs", prints: "logged" },
  meta: { page: "job-specification/meta", prints: "task 3 3" },
  migrate: { page: "job-specification/migrate" },
  multiregion: { page: "job-specification/multiregion" },
  networkBridge: { page: "job-specification/network", prints: "8080 26539 6539" },
  networkCni: { page: "job-specification/network", option: ["--skip", "cni"] },
  networkDns: { page: "job-specification/network", prints: "nameserver 192.0.2.53" },
  networkPorts: { page: "job-specification/network", prints: "-port 28889" },
  numa: { page: "job-specification/numa" },
  parameterized: {
    page: "job-specification/parameterized",
    option: ["--meta", "RECIPIENT=ada"],
    prints: "ada nobody none",
  },
  periodic: { page: "job-specification/periodic", prints: "UTC" },
  proxy: { page: "job-specification/proxy", option: ["--skip", "connect"], prints: "api" },
  reschedule: { page: "job-specification/reschedule" },
  resources: { page: "job-specification/resources", prints: "64 128 250" },
  restart: { page: "job-specification/restart" },
  scaling: { page: "job-specification/scaling" },
  schedule: { page: "job-specification/schedule" },
  secret: { page: "job-specification/secret", option: ["--skip", "secret"], prints: "with" },
  service: { page: "job-specification/service", option: ["--skip", "identity"], prints: "redis" },
  serviceNomad: { page: "job-specification/service" },
  sidecarTask: { page: "job-specification/sidecar_task", option: ["--skip", "connect"], prints: "redis" },
  spread: { page: "job-specification/spread" },
  sysbatch: { page: "job-specification/periodic", prints: "cleaned" },
  system: { page: "schedulers", prints: "65534" },
  task: { page: "job-specification/task", prints: "web@db01.example.com" },
  templateConsul: { page: "job-specification/template", option: ["--skip", "template"], prints: "none" },
  templateEnv: { page: "job-specification/template", prints: "debug a secret 9" },
  templateInline: { page: "job-specification/template", prints: "bind_port = 6379" },
  templateSource: {
    page: "job-specification/template",
    option: ["--skip", "artifact,source"],
    prints: "without a template",
  },
  templateVariables: { page: "job-specification/template", option: ["--skip", "template"] },
  templateVault: {
    page: "job-specification/template",
    option: ["--skip", "vault,template"],
    prints: "without Vault",
  },
  transparentProxy: {
    page: "job-specification/transparent_proxy",
    option: ["--skip", "connect"],
    prints: "http://count-api.virtual.consul",
  },
  tutorialAutoscaler: {
    page: "tutorials/autoscaler/horizontal-autoscaling-demo",
    option: ["--skip", "artifact"],
    prints: 'strategy "target-value"',
  },
  tutorialCache: { page: "commands/job/init", option: ["--skip", "identity"], prints: "redis on 6379" },
  tutorialLoadBalancer: {
    page: "tutorials/load-balancing/load-balancing-nginx",
    option: ["--skip", "template"],
  },
  tutorialMysql: {
    page: "tutorials/stateful-workloads/stateful-workloads-host-volumes",
    option: ["--host-volume", "mysql=FOLDER"],
  },
  tutorialPrometheus: { page: "tutorials/manage-clusters/prometheus-metrics", prints: "replacement: " },
  tutorialTerminate: {
    page: "tutorials/task-deps/task-dependencies-poststop",
    prints: "create table t (a int);",
  },
  tutorialWeb: {
    page: "tutorials/get-started/gs-deploy-job",
    option: ["--skip", "template"],
    prints: "redis",
  },
  ui: { page: "job-specification/ui" },
  update: { page: "job-specification/update", prints: "api updated.api[2]" },
  upstreams: {
    page: "job-specification/upstreams",
    option: ["--skip", "connect"],
    prints: "http://127.0.0.1:8080",
  },
  vault: { page: "job-specification/vault", option: ["--skip", "vault"], prints: "without a token" },
  volumeMounts: {
    page: "job-specification/volume_mount",
    option: ["--host-volume", "ca-certificates=FOLDER"],
    prints: "/certs",
  },
};

export const documentedFolder = join(import.meta.dirname, "../../fixtures/jobs/nomadDocs");

export function documentedFile(name: string): string {
  return join(documentedFolder, `${name}.nomad.hcl`);
}

export function documentedSource(name: string): string {
  return readFileSync(documentedFile(name), "utf8");
}
