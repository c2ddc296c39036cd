/** What is tried under a real agent. Each case has jobs of its own, and leaves the cluster as it was. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { version } from "../../../src/base/version.ts";
import { until } from "../../support/host/until.ts";
import { onTestFinished, test } from "../../vm/support/runner.ts";
import { statistics } from "../harness/answers.ts";
import type { Cluster, Job } from "../harness/cluster.ts";

/** Runs until it is told to end by SIGTERM, and then exits with 19. */
const patient = "trap 'exit 19' TERM; echo ready; while :; do sleep 1000 & wait; done";
const service = { type: "service" } as const;

export function addCases(cluster: Cluster): void {
  /** Runs a job that is stopped after the case. */
  const run: Cluster["run"] = async (...args) => {
    const job = await cluster.run(...args);
    onTestFinished(() => job.stop());
    return job;
  };
  /** A patient task whose shell is still the same after what `work` does, and whose end is then reported. */
  const outlives = async (work: (job: Job) => Promise<void>) => {
    const job = await run(patient);
    await job.prints(/ready/);
    const { pid, identity } = await job.shell();
    await work(job);
    assert.equal((await job.shell()).identity, identity);
    process.kill(pid, "SIGTERM");
    assert.equal((await job.ended()).exitCode, 19);
  };

  test("the node has this driver, healthy, with its version", async () => {
    const { Attributes, Drivers } = await cluster.node();
    assert.equal(Drivers?.exec2?.Healthy, true);
    assert.equal(Attributes?.["driver.exec2.version"], version);
  });

  test("a task that exits with 0 is complete", async () => {
    const job = await run("echo done");
    const { exitCode, failed, events } = await job.ended();
    assert.deepEqual([exitCode, failed], [0, false]);
    assert.deepEqual(events.slice(0, 3), ["Received", "Task Setup", "Started"]);
    assert.match(await job.prints(/done/), /^done\n$/);
  });

  test("an exit code is reported as it is", async () => {
    const { exitCode, signal, failed } = await (await run("exit 7")).ended();
    assert.deepEqual([exitCode, signal, failed], [7, 0, true]);
  });

  test("a signal that ended a task is reported as it is", async () => {
    assert.equal((await (await run("kill -SEGV $$")).ended()).signal, 11);
  });

  test("a refused start is final, and says why", async () => {
    const { failed, events, messages } = await (
      await run("true", { config: 'unveil = ["r:/etc/shadow"]' })
    ).ended();
    assert.deepEqual([failed, events.includes("Started")], [true, false]);
    assert.match(messages, /\/etc\/shadow/);
  });

  test("an option that the driver does not have fails the task before its start", async () => {
    const { failed, events } = await (await run("true", { config: 'no_such_option = "x"' })).ended();
    assert.deepEqual([failed, events.includes("Started")], [true, false]);
  });

  test("a task gets a dynamic user, and may write to its folders", async () => {
    const job = await run("echo id $(id -u); echo x > $NOMAD_TASK_DIR/a && cat $NOMAD_TASK_DIR/a && echo ok");
    assert.match(await job.prints(/ok/), /^id 8\d{4}\nx\nok\n$/);
    assert.equal((await job.ended()).exitCode, 0);
  });

  test("a task runs as the user that the job and the operator name", async () => {
    const job = await run("id -u", { task: 'user = "nobody"' });
    assert.equal(await job.prints(/\n/), execFileSync("id", ["-u", "nobody"], { encoding: "utf8" }));
  });

  test("a task does not reach what is not unveiled", async () => {
    const job = await run("cat /etc/shadow || echo refused; ls /home || echo refused; echo end");
    assert.equal((await job.prints(/end/)).match(/refused/g)?.length, 2);
  });

  test("templates and variables of the job are there when the task starts", async () => {
    const template = `env { CASE = "env" }
      template {
        destination = "local/file"
        data        = "{{ env \\"NOMAD_JOB_ID\\" }}"
      }`;
    const job = await run('cat $NOMAD_TASK_DIR/file; echo " $CASE"', { task: template });
    assert.equal(await job.prints(/env/), `${job.id} env\n`);
  });

  test("a job that is stopped has the end that its task chooses at its kill_signal", async () => {
    const job = await run("trap 'exit 5' USR1; echo ready; while :; do sleep 1000 & wait; done", {
      ...{ ...service, task: 'kill_signal = "SIGUSR1"' },
    });
    await job.prints(/ready/);
    await job.stop();
    assert.equal((await job.ended()).exitCode, 5);
  });

  test("a task that does not stop is killed after its kill_timeout", async () => {
    const job = await run("trap '' INT TERM; echo ready; while :; do sleep 1000 & wait; done", {
      ...{ ...service, task: 'kill_timeout = "1s"' },
    });
    await job.prints(/ready/);
    await job.stop();
    assert.equal((await job.ended()).signal, 9);
  });

  test("a signal by the API reaches the task", async () => {
    const job = await run(
      "trap 'echo got it' USR2; echo ready; while :; do sleep 1000 & wait; done",
      service,
    );
    await job.prints(/ready/);
    await job.signal("SIGUSR2");
    await job.prints(/got it/);
  });

  test("a restart by the API runs the task again, with its folder and its user", async () => {
    // With such an agent, only a task with a user of its own may be restarted.
    const task = (await cluster.panics()) === undefined ? "" : 'user = "nobody"';
    const script = `trap 'exit 0' INT; id -u >> $NOMAD_TASK_DIR/ids; cat $NOMAD_TASK_DIR/ids; echo run $(wc -l < $NOMAD_TASK_DIR/ids); while :; do sleep 1000 & wait; done`;
    const job = await run(script, { ...service, task });
    await job.prints(/run 1/);
    await job.restart();
    await job.running(2);
    const ids = (await job.prints(/run 2/)).match(/^\d+$/gm) ?? [];
    assert.deepEqual([ids.length, new Set(ids).size], [3, 1]);
  });

  test("a failed task is started again as often as its job says", async () => {
    const task = (await cluster.panics()) === undefined ? "" : 'user = "nobody"';
    const script =
      "echo x >> $NOMAD_ALLOC_DIR/runs; test $(wc -l < $NOMAD_ALLOC_DIR/runs) = 3 && exit 0; exit 1";
    const { exitCode, failed, events } = await (await run(script, { restarts: 2, task })).ended();
    assert.deepEqual([exitCode, failed], [0, false]);
    assert.equal(events.filter((type) => type === "Restarting").length, 2);
  });

  test("a command in a task has its output, its exit code and the task's user", async () => {
    const job = await run(patient, service);
    await job.prints(/ready/);
    const { exitCode, stdout, stderr } = await job.exec(["sh", "-c", "id -u; echo no >&2; exit 3"]);
    assert.deepEqual([exitCode, stderr], [3, "no\n"]);
    assert.match(stdout, /^8\d{4}\n$/);
  });

  test("a command in a task has a terminal, of the caller's size", async () => {
    const job = await run(patient, service);
    await job.prints(/ready/);
    const input = "stty size; exit 4\n";
    const { exitCode, stdout } = await job.exec(["sh"], { tty: true, input });
    assert.equal(exitCode, 4);
    assert.match(stdout, /24 80/);
  });

  test("the use of a task is measured", async () => {
    const job = await run("echo ready; while :; do :; done", service);
    await job.prints(/ready/);
    const path = `/v1/client/allocation/${await job.running()}/stats`;
    // Statistics are no state: no query waits for them.
    await until(async () => {
      const { CpuStats } = (await cluster.api.ofClient(path, statistics)).ResourceUsage;
      return CpuStats.TotalTicks > 0 && (CpuStats.Measured ?? []).includes("Percent");
    }, "statistics of a busy task");
  });

  test("a task without logs runs", async () => {
    const job = await run("echo unseen; exit 6", { task: "logs { disabled = true }" });
    assert.equal((await job.ended()).exitCode, 6);
  });

  test("a smaller job keeps one of its tasks", async () => {
    const job = await run(patient, { ...service, count: 2, task: 'kill_signal = "SIGTERM"' });
    const statusOf = (wanted: string) => (all: { ClientStatus: string }[]) =>
      all
        .map(({ ClientStatus }) => ClientStatus)
        .sort()
        .join() === wanted;
    await job.allocations(statusOf("running,running"), "two running allocations");
    await job.scale(1);
    await job.allocations(statusOf("complete,running"), "one running allocation");
  });

  test("a drained node stops its tasks, and runs them again afterwards", async () => {
    const { ID } = await cluster.node();
    const job = await run(patient, { ...service, task: 'kill_signal = "SIGTERM"' });
    await job.prints(/ready/);
    const end = { DrainSpec: null, MarkEligible: true };
    onTestFinished(() => cluster.api.post(`/v1/node/${ID}/drain`, end));
    const drain = { DrainSpec: { Deadline: 60_000_000_000, IgnoreSystemJobs: false } };
    await cluster.api.post(`/v1/node/${ID}/drain`, drain);
    await job.allocations(
      (all) => all.some(({ ClientStatus }) => ClientStatus === "complete"),
      "a stopped allocation",
    );
    await cluster.api.post(`/v1/node/${ID}/drain`, end);
    await job.running();
  });

  test("a task outlives its plugin, and its true end is reported", async () => {
    await outlives(async () => {
      const before = await cluster.plugin();
      await cluster.killPlugin();
      await until(async () => (await cluster.plugin()) !== before, "another plugin");
    });
  });

  test("an end while there is no plugin is reported", async () => {
    const job = await run(patient);
    await job.prints(/ready/);
    const { pid } = await job.shell();
    await cluster.killPlugin();
    process.kill(pid, "SIGTERM");
    assert.equal((await job.ended()).exitCode, 19);
  });

  test("a task outlives a restart of its agent", async () => {
    await outlives(async () => {
      await cluster.client.stop();
      await cluster.client.start();
    });
  });

  test("a task outlives a crash of its agent", async () => {
    await outlives(async () => {
      await cluster.client.kill();
      await cluster.client.start();
    });
  });

  test("a task outlives a crash of both agent and plugin", async () => {
    await outlives(async () => {
      const plugin = await cluster.plugin();
      await cluster.client.kill();
      process.kill(plugin, "SIGKILL");
      await cluster.client.start();
    });
  });

  test("an end while there is neither agent nor plugin is reported", async () => {
    const job = await run(patient);
    await job.prints(/ready/);
    const [{ pid }, plugin] = [await job.shell(), await cluster.plugin()];
    await cluster.client.kill();
    process.kill(plugin, "SIGKILL");
    process.kill(pid, "SIGTERM");
    await cluster.client.start();
    assert.equal((await job.ended()).exitCode, 19);
  });
}
