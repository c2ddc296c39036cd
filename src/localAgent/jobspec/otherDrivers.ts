/** What becomes of the options of Nomad's other drivers, for job files that are converted to exec2. Pure. */

const noImage = "exec2 has no images: install the program on the host, and unveil its files";
const network = "it belongs to the group's network block";
const volumes =
  "mount a host volume with volume_mount, or a file of the task's own with mount, or unveil a path of the host";
const address = "a task has the addresses of its group's network, or the host's";
const capabilities = "cap_add adds single capabilities";

const advice: Readonly<Record<string, string>> = {
  image: noImage,
  load: noImage,
  auth: noImage,
  force_pull: noImage,
  image_pull_timeout: noImage,
  image_pull_policy: noImage,
  entrypoint: "the program is command, and its arguments are args",
  ports: "a task binds the ports of its group's network block itself: NOMAD_PORT_… has their numbers",
  port_map: "a task binds the ports of its group's network block itself: NOMAD_PORT_… has their numbers",
  network_mode: `${network}: mode`,
  network_aliases: "use a service block",
  ipv4_address: address,
  ipv6_address: address,
  hostname: "a task has the host's name; extra_hosts has names that it looks up",
  dns_servers: `${network}: dns { servers = […] }`,
  dns_search_domains: `${network}: dns { searches = […] }`,
  dns_options: `${network}: dns { options = […] }`,
  volumes,
  volume_driver: volumes,
  mounts: volumes,
  storage_opt: volumes,
  tmpfs: 'mount with type = "tmpfs"; the folders /tmp, local and alloc are writable anyway',
  devices: "unveil the device's path; its owner and mode decide who may use it",
  device_cgroup_rules: "unveil the device's path; its owner and mode decide who may use it",
  privileged: capabilities,
  readonly_rootfs: "the root is always read-only",
  security_opt: "seccomp, seccomp_allow and seccomp_deny refuse system calls",
  sysctl: "set it on the host",
  userns_mode: "every task has a user of its own on the host",
  uts_mode: "a task has the host's name",
  cgroupns: "cgroup_delegate gives a task cgroups of its own",
  init: "every task has an init that reaps processes",
  interactive: "exec runs a command in a task, with a terminal",
  tty: "exec runs a command in a task, with a terminal",
  labels: "use meta",
  logging: "use the task's logs block",
  healthchecks: "use a check of a service block",
  memory_hard_limit: "use memory and memory_max in the task's resources block",
  memory_reservation: "use memory and memory_max in the task's resources block",
  cpu_cfs_period: "the task's cpu is a limit; cpu_hard_limit = false lifts it",
  cpuset_cpus: "use cores in the task's resources block",
  oom_kill_disable: "the kernel kills a task that exceeds its memory",
  isolation: "isolation cannot be turned off; pid_mode and ipc_mode share with the host",
  runtime: "exec2 has its own sandbox",
  no_chroot: 'the root consists of what is unveiled; root = "host" shows the host\'s tree',
  cgroup_v1_override: "Nomad chooses the task's cgroup",
  cgroup_v2_override: "Nomad chooses the task's cgroup",
  denied_envvars: "it is an option of the plugin",
  task_user: "it is the task's user attribute",
  class: 'command = "java", with the class in args',
  class_path: 'command = "java", with -cp in args',
  jar_path: 'command = "java", with -jar in args',
  jvm_options: 'command = "java", with the options in args',
};

/**
 * What becomes of an option that another driver has.
 * @returns undefined for an option that exec2 has, too, or that no known driver has
 */
export function adviceOnOption(name: string): string | undefined {
  return Object.hasOwn(advice, name) ? advice[name] : undefined;
}

/** What becomes of a task of another driver. */
export function adviceOnDriver(driver: string, config: Readonly<Record<string, unknown>>): string {
  const lines = Object.keys(config).flatMap((name) => {
    const becomes = adviceOnOption(name);
    return becomes === undefined ? [] : `${name}: ${becomes}`;
  });
  const convert = `--task NAME runs only tasks of your choice. To convert this one, write driver = "exec2"`;
  if (lines.length > 0) return `${convert}; ${lines.join("; ")}.`;
  return driver === "exec" || driver === "raw_exec"
    ? `${convert}, and unveil the paths that it needs: run --learn finds them.`
    : `${convert}.`;
}
