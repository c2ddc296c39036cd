import { describe, expect, it } from "vitest";
import { parsePluginOptions } from "../../src/driver/options/pluginOptions.ts";
import { parseTaskOptions } from "../../src/effects/parts.ts";
import { isUnchanged, judge, type RecordedRun } from "../../src/history/policyVerdict.ts";

const loose = parsePluginOptions({
  unveil_by_task: true,
  allow_root: true,
  allow_caps: ["all"],
  allow_seccomp: ["keyctl", "sethostname"],
});
const options = (raw: Readonly<Record<string, unknown>> = {}) =>
  parseTaskOptions({ command: "true", ...raw }, loose);
const sandbox = (...unveiled: readonly (readonly [path: string, mode: string, source: string])[]) => ({
  uid: 1000,
  gid: 1000,
  runFolder: "/run/1",
  unveiled: unveiled.map(([path, mode, source]) => ({ path, mode, source })),
});
const run = (given: Partial<RecordedRun>): RecordedRun => ({
  options: options(),
  sandbox: undefined,
  denials: [],
  own: { allocId: "", folders: [] },
  names: new Map(),
  ...given,
});
const under = (recorded: RecordedRun, raw: Readonly<Record<string, unknown>>) =>
  judge(recorded, { kind: "plugin", plugin: parsePluginOptions(raw) });

describe("a recorded run under other options of the plugin", () => {
  it("is unchanged if nothing of it is refused", () => {
    const same = under(run({ options: options({ unveil: ["r:/srv"] }) }), { unveil_by_task: true });
    expect(isUnchanged(same)).toBe(true);
  });

  it("is refused by the rules of a start, with their errors", () => {
    const recorded = run({
      options: options({ unveil: ["r:/srv"], cap_add: ["net_raw"] }),
      sandbox: { ...sandbox(), uid: 0, gid: 42 },
    });
    expect(under(recorded, { denied_host_gids: "40-50" }).refused).toEqual([
      expect.stringContaining('option "unveil", which this client does not allow. Remove it'),
      "cap_add has net_raw, which allow_caps lacks",
      "it ran as root, and allow_root is not set",
      "it ran as gid 42, which denied_host_gids has",
    ]);
  });

  it("is refused what the list of paths for jobs lacks, except in its own folders", () => {
    const recorded = run({
      options: options({
        unveil: ["r:/srv/www", "rw:/srv/data", "rx:/usr/bin", "rwc:/alloc/data", "r:/srv-2"],
      }),
      sandbox: sandbox(["/alloc", "rwxc", "folder"]),
    });
    const allowed = { unveil_allowed: ["r:/srv"], unveil_paths: ["w:/srv/data"] };
    expect(under(recorded, allowed).refused).toEqual(["unveil has r:/srv-2, which unveil_allowed lacks"]);
    expect(under(recorded, { ...allowed, unveil_paths: [] }).refused).toHaveLength(2);
  });

  it("may exceed limits that came from the plugin itself", () => {
    const verdict = under(run({ options: options({ connect_tcp: [443, 5432] }) }), {
      connect_tcp: [443],
      pids_limit: 10,
    });
    expect(verdict.refused).toEqual([]);
    expect(verdict.above).toEqual([
      expect.stringContaining('"pids_limit" 4096'),
      expect.stringContaining("5432"),
    ]);
  });

  it("loses the plugin's paths, and keeps its own", () => {
    const recorded = run({
      sandbox: sandbox(
        ["/opt/bin", "rx", "plugin"],
        ["/srv", "rw", "plugin"],
        ["/usr/lib", "rx", "default"],
        ["/alloc", "rwxc", "folder"],
        ["/data", "rw", "volume"],
      ),
    });
    expect(under(recorded, { unveil_paths: ["r:/srv"] }).lost).toEqual(["rx:/opt/bin", "w:/srv"]);
    expect(under(recorded, { unveil_defaults: false }).lost).toEqual([
      "rx:/opt/bin",
      "rw:/srv",
      "rx:/usr/lib",
    ]);
  });

  it("keeps its own /etc/passwd with identity_files, and else loses it by the path that the task sees", () => {
    const recorded = run({ sandbox: sandbox(["/run/1/passwd", "r", "default"], ["/run/12", "r", "plugin"]) });
    expect(under(recorded, { identity_files: true }).lost).toEqual(["r:/run/12"]);
    expect(under(recorded, {}).lost).toEqual(["r:/etc/passwd", "r:/run/12"]);
  });

  it("has its denials divided into remaining and resolved ones", () => {
    const denials = [
      { blockers: ["fs.read_file"], object: "/srv/a", count: 2 },
      { blockers: ["fs.write_file"], object: "/srv/a", count: 1 },
      { blockers: ["net.connect_tcp"], object: "53", count: 1 },
      { blockers: ["scope.signal"], object: null, count: 1 },
    ];
    const recorded = run({ options: options({ connect_tcp: [443] }), denials });
    expect(under(recorded, { unveil_paths: ["r:/srv"] })).toMatchObject({
      allowed: ["reading /srv/a"],
      stillDenied: ["writing /srv/a", "connecting to TCP port 53", "sending a signal to"],
    });
  });

  it("may send to UDP ports that the new options allow", () => {
    const denials = [
      { blockers: ["net.connect_send_udp"], object: "53", count: 1 },
      { blockers: ["net.bind_udp"], object: "53", count: 1 },
    ];
    expect(under(run({ denials }), { connect_udp: [53], bind_udp: [5353] })).toMatchObject({
      allowed: ["sending to UDP port 53"],
      stillDenied: ["binding UDP port 53"],
    });
  });

  it("may make the system calls that the new profile allows", () => {
    const denials = ["keyctl", "userfaultfd", "32-bit"].map((call) => ({
      blockers: [`seccomp.${call}`],
      object: null,
      count: 1,
    }));
    const calls = ["the system call keyctl", "the system call userfaultfd", "32-bit system calls"];
    const recorded = run({ denials });
    expect(under(recorded, {})).toMatchObject({ allowed: [], stillDenied: calls });
    expect(under(recorded, { seccomp: "unconfined" })).toMatchObject({ allowed: calls, stillDenied: [] });
    const task = options({ seccomp_allow: ["keyctl"] });
    expect(judge(recorded, { kind: "task", task, plugin: loose })).toMatchObject({
      allowed: calls.slice(0, 1),
      stillDenied: calls.slice(1),
    });
    const hostname = run({ denials: [{ blockers: ["seccomp.sethostname"], object: null, count: 1 }] });
    const withOptions = (raw: Readonly<Record<string, unknown>>) =>
      judge(hostname, { kind: "task", task: options(raw), plugin: loose }).allowed;
    // The kernel itself requires the capability.
    expect(withOptions({ seccomp_allow: ["sethostname"] })).toEqual([]);
    expect(withOptions({ cap_add: ["sys_admin"] })).toEqual([]);
    expect(withOptions({ seccomp_allow: ["sethostname"], cap_add: ["sys_admin"] })).toEqual([
      "the system call sethostname",
    ]);
    const unknown = run({ options: { ...options(), seccomp: "browser" }, denials });
    expect(under(unknown, {})).toMatchObject({
      refused: [expect.stringContaining('"browser"')],
      stillDenied: calls,
    });
  });
});

describe("a system call that was denied", () => {
  const denials = ["mount", "listen", "io_uring_setup"].map((call) => ({
    blockers: [`seccomp.${call}`],
    object: null,
    count: 1,
  }));
  const [mounts, listens, uring] = denials.map(({ blockers }) => `the system call ${blockers[0]?.slice(8)}`);

  it("stays denied without a filter if Landlock refuses it, too", () => {
    const verdict = under(run({ denials }), { seccomp: "unconfined" });
    expect(verdict).toMatchObject({ stillDenied: [mounts], allowed: [listens, uring] });
  });

  it("stays denied with every profile if the limits on ports refuse it", () => {
    const verdict = under(run({ denials }), { seccomp: "unconfined", bind_tcp: [] });
    expect(verdict).toMatchObject({ stillDenied: [mounts, listens, uring], allowed: [] });
    const withPort = under(run({ denials }), { seccomp: "unconfined", bind_tcp: [80] });
    expect(withPort).toMatchObject({ stillDenied: [mounts, uring], allowed: [listens] });
  });
});

describe("a recorded run with other options of its task", () => {
  it("loses paths that the new options lack, and keeps the plugin's paths", () => {
    const recorded = run({
      sandbox: sandbox(["/srv", "rw", "task"], ["/opt", "r", "task"], ["/etc/x", "r", "plugin"]),
      denials: [{ blockers: ["fs.read_file"], object: "/etc/mime.types", count: 1 }],
    });
    const task = options({ unveil: ["r:/srv", "r:/etc/mime.types"] });
    expect(judge(recorded, { kind: "task", task, plugin: loose })).toEqual({
      refused: [],
      above: [],
      lost: ["w:/srv", "r:/opt"],
      stillDenied: [],
      allowed: ["reading /etc/mime.types"],
    });
  });
});
