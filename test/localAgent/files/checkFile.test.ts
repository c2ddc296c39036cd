/** All that is wrong in a file, and all that a local run lacks for it, is told at once. */
import { describe, expect, it } from "vitest";
import { checkFile, checkJob, pluginOptionsOf } from "../../../src/localAgent/files/checkFile.ts";
import { InvalidFile, jobFile } from "../../../src/localAgent/jobspec/jobFile.ts";

const config = { stateDir: "/var/lib/x", pluginConfig: { unveil_by_task: true } };
const variables = { given: {}, environment: {} };

/** The problems of a job file, as `validate` and as `run` find them. */
async function problemsOf(source: string) {
  const found = async (work: Promise<unknown>) => {
    try {
      return (await (work as ReturnType<typeof checkFile>)).lacking;
    } catch (thrown) {
      if (thrown instanceof InvalidFile) return thrown.problems;
      throw thrown;
    }
  };
  const validated = await found(checkFile(jobFile("t.hcl", source), variables, config));
  const run = await found(checkJob(jobFile("t.hcl", source), variables, pluginOptionsOf(config)));
  expect(run ?? []).toEqual(validated);
  return validated.map(({ place, message, lacking, position }) => ({
    place: place.replace(/^job\.web\.(group\.g\.)?(task\.web\.)?/, ""),
    message,
    lacking: lacking ?? false,
    line: position?.line,
  }));
}

const wrong = `variable "n" {
  type    = number
  default = "x"
}
variable "needed" {}
locals {
  a = var.missing
}
job "web" {
  type = "servic"
  group "g" {
    count = -1
    network {
      port "http" {
        static = 99999
      }
    }
    volume "data" {
      type   = "hots"
      source = "x"
    }
    service {
      port = "htpp"
      check {
        type     = "tcp"
        interval = "10s"
        timeout  = "2s"
      }
    }
    task "web" {
      driver      = "exec2"
      kill_signal = "SIGTREM"
      user        = var.needed
      meta {
        a = "\${NOMAD_X}"
        b = "\${NOMAD_Y}"
      }
      env {
        A = "\${NOMAD_PORT_htp}"
        B = var.nope
      }
      config {
        comand = "x"
        args   = ["\${NOMAD_PROT_http}"]
        unveil = ["q:/x"]
      }
      template {
        data        = "{{ nope }}{{ if false }}{{ secret \\"x\\" }}{{ end }}"
        destination = "local/x"
      }
      template {
        data        = "{{ if }}"
        destination = "local/y"
      }
      template {
        data        = "x"
        destination = "../../x"
      }
      resources {
        memory = 1
      }
      volume_mount {
        volume      = "dat"
        destination = "/x"
      }
      volume_mount {
        volume = "data"
      }
      lifecycle {
        hook = "pre"
      }
      artifact {}
    }
    task "a/b" {
      driver = "exec2"
    }
  }
}
`;

describe("a job file with many errors", () => {
  it("tells all of them, and what a local run lacks besides", async () => {
    const problems = await problemsOf(wrong);
    expect(
      problems.map(({ line, place, lacking }) => `${line} ${place}${lacking ? " (lacking)" : ""}`),
    ).toEqual([
      "3 variable.n.default",
      "5 variable.needed",
      "7 locals.a",
      "10 type",
      "12 count",
      "15 network.port.http.static",
      "19 volume.data.type",
      "22 service",
      "32 kill_signal",
      "35 meta.a",
      "36 meta.b",
      "39 env.A",
      "40 env.B",
      "43 config.comand",
      "44 config.args[0]",
      "45 config.unveil",
      "47 template[0]",
      "47 template[0] (lacking)",
      "51 template[1]",
      "57 template[2].destination",
      "60 resources.memory",
      "63 volume_mount[0].volume",
      "66 volume_mount[1].destination",
      "70 lifecycle.hook",
      "72 artifact (lacking)",
      "74 task.a/b",
      "74 task.a/b.config.command",
    ]);
  });
});

/** A task with these lines, and these lines in its group. */
const job = (lines: string, group = "", top = "") =>
  `${top}\njob "web" {\n group "g" {\n${group}\n task "web" {\n driver = "exec2"\n config {\n command = "true"\n}\n${lines}\n}\n}\n}`;
const template = (data: string) => `template {\n data = ${JSON.stringify(data)}\n destination = "local/x"\n}`;

const volume = 'volume "v" {\n type = "host"\n source = "v"\n}';
const mount = 'volume_mount {\n volume = "v"\n destination = "/v"\n}';
const proxy = `sidecar_service {\n proxy {\n upstreams {
  destination_name = "a-b"\n local_bind_port = 8080\n }\n }\n }\n`;
const parameterized = (lines: string) =>
  job(lines).replace(
    '"web" {',
    '"web" {\n type = "batch"\n parameterized {\n meta_required = ["n"]\n meta_optional = ["o"]\n}',
  );

describe("a valid job that a local run lacks something for", () => {
  it.each([
    ["vault", job("vault {}"), "vault"],
    ["consul", job("consul {}"), "consul"],
    ["an identity", job("identity {\n env = true\n}"), "identity"],
    ["an artifact", job('artifact {\n source = "x"\n}'), "artifact"],
    ["a node's metadata", job(`env {\n A = "\${meta.rack}"\n}`), "env.A"],
    ["a node's attributes", job(`env {\n A = "\${attr.cpu.modelname}"\n}`), "env.A"],
    ["a CSI volume", job("", 'volume "v" {\n type = "csi"\n source = "v"\n}'), "volume.v"],
    ["Connect", job("", "service {\n connect {}\n}"), "service.connect"],
    ["CNI", job("", 'network {\n mode = "cni/x"\n}'), "network.mode"],
    ["another driver", job("").replace("exec2", "docker"), "driver"],
    ["Vault in a template", job(template('{{ secret "x" }}')), "template"],
    [
      "Vault in a part of a template that is not rendered",
      job(template('{{ if false }}{{ secret "x" }}{{ end }}')),
      "template",
    ],
    ["YAML", job(template('{{ "a: 1" | parseYAML }}')), "template"],
    ["a salt", job("", "", 'locals {\n x = bcrypt("x")\n}'), "locals.x"],
    ["a host volume's path", job(mount, volume), "volume.v.source"],
    ["a dispatch's metadata", parameterized(`env {\n A = "\${NOMAD_META_n}"\n}`), "parameterized"],
    ["the value of a secret", job(`secret "s" {}\nenv {\n A = "x"\n}`), "secret"],
    [
      "an upstream's proxy",
      job(`env {\n A = "\${NOMAD_UPSTREAM_ADDR_a_b}"\n}`, `service {\n connect {\n${proxy}}\n}`),
      "service.connect",
    ],
  ])("names %s, and nothing that is wrong", async (_, source, place) => {
    expect(await problemsOf(source)).toMatchObject([{ place, lacking: true }]);
  });

  it("has all parts that can be skipped in one hint", async () => {
    const source = job("vault {}\n artifact {}\n consul {}\n", "service {\n connect {}\n}");
    const file = jobFile("t.hcl", source);
    await expect(checkJob(file, variables, pluginOptionsOf(config))).rejects.toMatchObject({
      code: "JOB_NEEDS_CLUSTER",
      hint: "--skip connect,vault,artifact,consul goes on without these parts.",
    });
  });

  it("is JOB_INVALID if something else is wrong", async () => {
    const file = jobFile("t.hcl", job("vault {}\n colour = 1"));
    await expect(checkJob(file, variables, pluginOptionsOf(config))).rejects.toMatchObject({
      code: "JOB_INVALID",
      summary: expect.stringMatching(/has 1 error:.*needs 1 thing that a local run lacks:/s),
    });
  });
});

it("a job that maps a port in the host's network is complete", async () => {
  expect(await problemsOf(job("", 'network {\n port "http" {\n to = 8080\n}\n}'))).toEqual([]);
});

it("optional metadata that a dispatch does not give is empty, as on a client", async () => {
  const reading = { dispatch: { meta: { n: "1" }, payload: undefined } };
  const lines = `env {\n A = "\${NOMAD_META_o}-\${NOMAD_META_O}-\${NOMAD_META_n}"\n}`;
  const file = jobFile("t.hcl", parameterized(lines), reading);
  await expect(checkJob(file, variables, pluginOptionsOf(config))).resolves.toBeDefined();
  const unknown = jobFile("t.hcl", parameterized(lines.replaceAll("META_O", "META_P")), reading);
  await expect(checkJob(unknown, variables, pluginOptionsOf(config))).rejects.toThrow(/NOMAD_META_P/);
});

it("an option whose value a cluster or a dispatch gives is not checked", async () => {
  const options = (umask: string) =>
    parameterized(`secret "s" {}`).replace('"true"', `"true"\n umask = ${umask}`);
  for (const reference of ["NOMAD_META_n", "secret.s.mask", "meta.mask"])
    expect((await problemsOf(options(`"\${${reference}}"`))).filter(({ lacking }) => !lacking)).toEqual([]);
  expect(await problemsOf(options('"999"'))).toContainEqual(
    expect.objectContaining({ place: "config.umask", lacking: false }),
  );
  expect(await problemsOf(options(`"\${secret.t.mask}"`))).toContainEqual(
    expect.objectContaining({ place: "config.umask", lacking: false }),
  );
});

it("host volumes with paths are complete, also one for each instance", async () => {
  const source = job(mount, volume.replace("source", "per_alloc = true\n source"));
  const check = (names: readonly string[]) => {
    const hostVolumes = new Map(names.map((name) => [name, "/x"]));
    const file = jobFile("t.hcl", source.replace('"g" {', '"g" {\n count = 2'), { hostVolumes });
    return checkFile(file, variables, config);
  };
  expect((await check(["v[0]", "v[1]"])).lacking).toEqual([]);
  expect((await check(["v[0]", "v"])).lacking).toMatchObject([
    { message: expect.stringContaining("--host-volume v[1]=/path") },
  ]);
});

it("a plugin's block must have the name of the executable, not of the driver", async () => {
  const check = (name: string) =>
    checkFile(
      jobFile("c.hcl", `plugin "${name}" {\n config {\n unveil_by_task = true\n }\n}`),
      variables,
      config,
    );
  await expect(check("exec2")).rejects.toMatchObject({ hint: 'Write plugin "nomad-driver-exec2"' });
  expect(await check("nomad-driver-exec2")).toMatchObject({ kind: "plugin" });
  expect(await check("docker")).toMatchObject({ kind: "agent" });
});

describe("a job with options beyond those of a client", () => {
  const refusedBy = (config: object, lines: string, around: { task?: string; group?: string } = {}) => {
    const source = job(around.task ?? "", around.group ?? "").replace('"true"', `"true"\n${lines}`);
    const hostVolumes = new Map([["v", "/x"]]);
    const pluginConfig = { unveil_by_task: true, ...config };
    return checkFile(jobFile("t.hcl", source, { hostVolumes }), variables, { stateDir: "/x", pluginConfig });
  };
  const plainPlaces = (found: readonly { readonly place: string }[]) =>
    found.map(({ place }) => place.replace("job.web.group.g.task.web.config.", ""));

  it.each([
    ['cap_add = ["net_raw"]', "allow_caps", { allow_caps: ["net_raw"] }],
    ["log_max_files = 11", "log_max_files", { log_max_files: 20 }],
    ['log_max_file_size = "50MB"', "log_max_file_size", { log_max_file_size: "50MB" }],
    ["log_max_file_size = 50", "log_max_file_size", { log_max_file_size: 50 }],
    ["pids_limit = 5000", "pids_limit", { pids_limit: 6000 }],
    ['root = "host"', "allow_host_root", { allow_host_root: true }],
  ])(
    "%s: names what the client's block decides, and is wrong only beside that block",
    async (line, option, allowed) => {
      const name = line.replace(/ =.*/, "");
      const { warnings } = await refusedBy({}, line);
      expect(plainPlaces(warnings)).toEqual([name]);
      expect(warnings[0]?.hint).toContain(option);
      const atHand = { usage_interval: "10s" };
      await expect(refusedBy(atHand, line)).rejects.toMatchObject({
        problems: [{ hint: warnings[0]?.hint }],
      });
      expect((await refusedBy({ ...atHand, ...allowed }, line)).warnings).toEqual([]);
    },
  );

  it("names each, and not only the first", async () => {
    const { warnings } = await refusedBy({}, 'root = "host"\n pids_limit = 5000\n cap_add = ["net_raw"]');
    expect(plainPlaces(warnings).sort()).toEqual(["cap_add", "pids_limit", "root"]);
  });

  it("is wrong if no client accepts it, whatever its block allows", async () => {
    const refusals = [
      ['numa_memory = "local"', {}, "numa_memory", { task: "resources {\n cores = 1\n}" }],
      ['root_dir = "/srv"', {}, "root_dir", undefined],
      ['idmapped_volumes = ["/w"]', { task: mount, group: volume }, "idmapped_volumes", undefined],
      ["tmp_size = 0", {}, "tmp_size", undefined],
      ['mount {\n source = "/srv"\n target = "/x"\n}', {}, "mount", undefined],
      ['mount {\n source = "local/x"\n target = "/dev"\n}', {}, "mount", undefined],
      [
        'mount {\n source = "local/x"\n target = "/v/x"\n}',
        { task: mount, group: volume },
        "mount",
        undefined,
      ],
      [
        "",
        { task: mount.replace("}", 'propagation_mode = "bidirectional"\n}'), group: volume },
        "propagation_mode",
        undefined,
      ],
      ["", { group: 'network {\n mode = "bridge"\n hostname = "web"\n}' }, "hostname", undefined],
    ] as const;
    for (const [line, around, place, mended] of refusals) {
      await expect(refusedBy({}, line, around), place).rejects.toMatchObject({
        problems: [{ place: expect.stringMatching(new RegExp(`${place}$`)) }],
      });
      if (mended) expect((await refusedBy({}, line, mended)).warnings).toEqual([]);
    }
    const fine = await refusedBy({}, 'idmapped_volumes = ["/v"]\n root_dir = "local/rootfs"', {
      task: mount,
      group: volume,
    });
    expect(plainPlaces(fine.warnings).sort()).toEqual(["idmapped_volumes", "root_dir"]);
  });

  it("takes mount blocks, which each client allows", async () => {
    const lines = [
      'mount {\n source = "local/app.conf"\n target = "/etc/app/app.conf"\n}',
      `mount {\n source = "${"$"}{NOMAD_TASK_DIR}/conf.d"\n target = "/etc/app/conf.d"\n readonly = false\n}`,
      'mount {\n type = "tmpfs"\n target = "/var/cache/app"\n size = 64\n}',
    ];
    expect((await refusedBy({}, lines.join("\n"))).warnings).toEqual([]);
    await expect(refusedBy({ root: "host" }, lines.join("\n"))).rejects.toThrow(
      /has mount, but the task has no root of its own/,
    );
  });

  it("asks for a /tmp that the client does not give", async () => {
    await expect(refusedBy({ private_tmp: false }, "tmp_size = 5")).rejects.toThrow(/tmp_size needs a .tmp/);
    expect((await refusedBy({}, "tmp_size = 5")).warnings).toEqual([]);
  });
});
