/** What a local run leaves to a cluster is checked all the same, as Nomad checks it. */
import { expect, it } from "vitest";
import { jobFile } from "../../../src/localAgent/jobspec/jobFile.ts";
import { parseJob } from "../../support/parseJob.ts";

const all = ["artifact", "connect", "consul", "csi", "csi_plugin", "device", "identity", "secret", "vault"];

interface Parts {
  readonly job?: string;
  readonly group?: string;
  readonly task?: string;
}

const source = ({ job = "", group = "", task = "" }: Parts) =>
  `job "j" {\n${job}\n group "g" {\n${group}\n  task "t" {\n   driver = "exec2"\n${task}\n  }\n }\n}\n`;

const parsed = (text: string) =>
  parseJob(jobFile("j.hcl", text, { skips: all }), { given: {}, environment: {} });

const valid: readonly Parts[] = [
  { job: 'update {\n max_parallel = 2\n canary = "1"\n auto_revert = true\n min_healthy_time = "10s"\n}' },
  { job: 'type = "system"\nupdate {\n stagger = "30s"\n}' },
  { job: 'type = "batch"\nperiodic {\n crons = ["@daily"]\n time_zone = "UTC"\n}' },
  { job: "periodic {\n enabled = false\n}" },
  { job: 'constraint {\n distinct_hosts = true\n}\nconstraint {\n attribute = "a"\n version = "> 1"\n}' },
  { job: 'spread {\n attribute = "a"\n target "x" {\n percent = 50\n }\n}' },
  { job: 'vault {\n policies = ["p"]\n allow_token_expiration = true\n}' },
  { group: 'restart {\n attempts = 1 + 1\n mode = "delay"\n render_templates = true\n}' },
  { group: 'dynamic "constraint" {\n for_each = ["a"]\n content {\n attribute = constraint.value\n}\n}' },
  { group: 'disconnect {\n lost_after = "6h"\n reconcile = "keep_original"\n}' },
  { group: 'service {\n tags = ["a"]\n weights {\n passing = 3\n}\n connect {\n native = true\n}\n}' },
  { group: 'volume "v" {\n type = "csi"\n source = "s"\n mount_options {\n fs_type = "ext4"\n}\n}' },
  {
    task: 'artifact {\n source = "x"\n options {\n checksum = "md5:1"\n}\n headers {\n User-Agent = "n"\n}\n}',
  },
  { task: 'secret "s" {\n provider = "vault"\n path = "p"\n config {\n engine = "kv_v2"\n}\n}' },
  {
    task: 'template {\n data = ""\n destination = "local/x"\n change_mode = "script"\n change_script {\n command = "x"\n}\n}',
  },
  { task: 'resources {\n device "nvidia/gpu" {\n count = 1\n constraint {\n attribute = "a"\n}\n}\n}' },
  { task: 'identity {\n name = "aws"\n change_mode = "anything"\n}' },
];

it.each(valid)("%j is valid", async (parts) => {
  await expect(parsed(source(parts))).resolves.toBeDefined();
});

it.each<[Parts, string]>([
  [{ job: "update {\n max_paralel = 1\n}" }, "j.hcl:3:2: job.j.update.max_paralel: there is no such"],
  [{ job: "update {\n max_paralel = 1\n}" }, "max_parallel"],
  [{ job: 'priority = "high"' }, "job.j.priority: must be a number"],
  [{ job: 'update {\n health_check = "check"\n}' }, "must be checks, task_states, manual"],
  [{ job: 'type = "system"\nspread {\n weight = 1\n}' }, "type system may not have this block"],
  [{ job: 'type = "system"', task: "affinity {\n weight = 1\n}" }, "job.j.group.g.task.t.affinity: a job of"],
  [{ job: 'type = "system"', group: "count = 2" }, "one allocation of a group on each node"],
  [
    { job: 'type = "system"', group: "reschedule {\n attempts = 1\n}" },
    "type system may not have this block",
  ],
  [{ job: 'type = "batch"', group: "update {\n canary = 1\n}" }, "service, system may"],
  [{ job: 'type = "sysbatch"', group: "migrate {\n max_parallel = 1\n}" }, "service may"],
  [{ job: 'periodic {\n cron = "@daily"\n}' }, "type service may not have this block; batch, sysbatch may"],
  [{ job: "parameterized {\n}" }, "job.j.parameterized: a job of type service"],
  [{ group: 'restart {\n attempts = "many"\n}' }, "job.j.group.g.restart.attempts: must be a number"],
  [{ group: 'restart {\n mode = "dealy"\n}' }, "must be fail, delay"],
  [{ group: 'restart {\n interval = 5\n delay = "soon"\n}' }, "must be a duration"],
  [{ group: "ephemeral_disk {\n sise = 3\n}" }, "there is no such attribute or block"],
  [{ group: "ephemeral_disk = 3" }, "a block is expected here"],
  [{ group: 'service {\n tags = "x"\n}' }, "must be a list"],
  [{ group: 'spread {\n target "x" {\n per_cent = 50\n }\n}' }, "spread.target.x.per_cent"],
  [
    { group: 'volume "v" {\n type = "host"\n source = "s"\n mount_options {\n}\n}' },
    "only a CSI volume may have it",
  ],
  [{ task: "constraint {\n attrib = 1\n}\nconstraint {\n attribute = 1\n}" }, "task.t.constraint[0].attrib"],
  [{ task: 'artifact {\n src = "x"\n}' }, "task.t.artifact.src: there is no such"],
  [{ task: 'secret "s" {\n engine = "kv_v2"\n}' }, "task.t.secret.s.engine: there is no such"],
  [{ task: 'logs {\n max_files = "x"\n}' }, "must be a number"],
  [
    { task: 'template {\n data = ""\n destination = "local/x"\n change_mode = "reload"\n}' },
    "must be noop, restart",
  ],
])("%j is refused: %s", async (parts, message) => {
  await expect(parsed(source(parts))).rejects.toThrow(message);
});

it("says nothing of JSON in the form of Nomad's API, in which a server fills in every block", async () => {
  const Update = { MaxParallel: 0, Surprise: 1 };
  const TaskGroups = [{ Name: "g", Count: 1, Update, Tasks: [{ Name: "t", Driver: "exec2" }] }];
  const job = JSON.stringify({ Job: { ID: "j", Type: "batch", Update, TaskGroups } });
  await expect(parsed(job)).resolves.toMatchObject({ id: "j" });
});
