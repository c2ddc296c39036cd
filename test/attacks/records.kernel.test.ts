/**
 * A task in the host's network reads what the plugin tells of all tasks: its metrics, where it serves them at a port, and
 * its traces, in the place of a collector that does not listen.
 */
import { expect, test } from "vitest";
import { type Agent, readyTask, runTask, startAgent, startTask } from "../support/agent/agent.ts";
import { type Differing, makeAllocation } from "../support/agent/allocation.ts";
import { type AttackName, metricsPlaces } from "../support/attacks/catalogue.ts";
import { makeTarget } from "../support/attacks/target.ts";
import { tryAttacks } from "../support/attacks/tryAttacks.ts";
import { eventually } from "../support/host/eventually.ts";
import { freePort } from "../support/host/loopback.ts";
import { listeningPort } from "../support/host/ownAddress.ts";
import { requireTools } from "../support/host/requireTools.ts";

const ownNetwork: Differing = {
  networkIsolationSpec: { mode: 3, path: "", labels: new Map<string, string>() },
};

test("metrics at a port are for tasks in the host's network, without egress_denied, and those on a socket for none", async () => {
  const outcomeWith = async (
    attack: AttackName,
    options: Readonly<Record<string, unknown>>,
    differing: Differing = {},
  ) => {
    const agent = await startAgent({ options });
    await readyTask(agent, "echo up; exec sleep 1000");
    const allocation = makeAllocation();
    const target = await makeTarget(allocation.user);
    const outcomes = await tryAttacks(agent, allocation, {}, [attack], target, differing);
    await agent.close();
    return outcomes.get(attack);
  };
  const atPort = "reads the metrics of all tasks at their port";
  const onSocket = "reads the metrics of all tasks on their socket";
  const metrics = `127.0.0.1:${metricsPlaces.port}`;
  expect(await outcomeWith(atPort, { metrics })).toBe("worked");
  expect(await outcomeWith(atPort, { metrics, egress_denied: ["127.0.0.0/8"] })).not.toBe("worked");
  expect(await outcomeWith(atPort, { metrics, connect_tcp: [443] })).not.toBe("worked");
  expect(await outcomeWith(atPort, { metrics }, ownNetwork)).not.toBe("worked");
  const options = { metrics: metricsPlaces.socket };
  expect(await outcomeWith(onSocket, options)).not.toBe("worked");
  expect(await outcomeWith(onSocket, { ...options, root: "host" })).not.toBe("worked");
});

/** A collector that prints that it has got something that names an allocation. */
const collecting = `
import os, socket, sys
try: server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
except OSError as error: sys.exit(print(os.strerror(error.errno)))
print("listens", flush=True)
while True:
    client, _ = server.accept()
    got = b""
    while part := client.recv(65536):
        got += part
        if sys.argv[2].encode() not in got: continue
        print("has it", flush=True)
        client.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n")
        break
`;

test.for(["traces", "otlp_events", "otlp_metrics"])(
  "%s go to who listens at the collector's address, as a task does that may bind its port",
  async (signal, context) => {
    requireTools(context, "python3");
    const victim = makeAllocation();
    // Metrics are of running tasks.
    const ofVictim = signal === "otlp_metrics" ? "sleep 2" : "true";
    const thief = async (agent: Agent, port: number, differing: Differing = {}) => {
      const allocation = makeAllocation();
      const args = ["-c", collecting, `${port}`, victim.id];
      const config = allocation.config({ command: "python3", args }, differing);
      await startTask(agent, config);
      await allocation.stdout.contains("\n");
      const end = () => agent.driver.destroyTask({ taskId: config.id, force: true });
      return { output: allocation.stdout, end };
    };
    const tracing = (port: number, options: Readonly<Record<string, unknown>> = {}) =>
      startAgent({
        options: { [signal]: true, ...options },
        env: { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`, OTEL_METRIC_EXPORT_INTERVAL: "500" },
      });

    const port = await freePort();
    const open = await tracing(port);
    const taken = await thief(open, port);
    await runTask(open, victim.config(ofVictim));
    await taken.output.contains("listens\nhas it\n");
    await open.close();

    const other = await freePort();
    const agent = await tracing(other);
    const apart = await thief(agent, other, ownNetwork);
    await runTask(agent, victim.config(ofVictim));
    await eventually(() =>
      expect(agent.stderrLines.join("\n")).toMatch(
        /(traces of tasks|events of tasks|metrics) could not be sent/,
      ),
    );
    await apart.end();
    expect(await apart.output.text()).toBe("listens\n");
    const bound = await thief(await tracing(other, { bind_tcp: [8080] }), other);
    expect(await bound.output.text()).toBe("Permission denied\n");
    const late = await thief(agent, await listeningPort());
    expect(await late.output.text()).toBe("Address already in use\n");
  },
);
