import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { z } from "zod";
import { DriverError } from "../../src/base/errors.ts";
import { nomadAddress } from "../../src/fleet/nomadAddress.ts";
import { NomadApi } from "../../src/fleet/nomadApi.ts";
import { type Progress, readAllNodes, readFleet, waitForChange } from "../../src/fleet/readFleet.ts";
import { explainFleet } from "../../src/fleet/why.ts";
import { requireTools } from "../support/host/requireTools.ts";
import { temporaryFolder } from "../support/host/temporaryFolder.ts";
import { jobOf, madeCluster, recordedCluster } from "../support/nomad/cluster.ts";
import { type Cluster, type FakeNomadOptions, startNomad, type Trouble } from "../support/nomad/fakeNomad.ts";

const token = "11f2ff0e-5a51-4c2d-b0d3-1d1f3e2a4b5c";

async function nomadWith(cluster: Cluster, options: FakeNomadOptions = {}) {
  const nomad = await startNomad(cluster, options);
  onTestFinished(() => nomad.close());
  return nomad;
}

type Variables = Readonly<Record<string, string>>;

function apiOf(address: string, env: Variables = {}, silenceMs = 30_000): NomadApi {
  const api = new NomadApi(nomadAddress({ NOMAD_ADDR: address, ...env }), {
    retryAfterMs: [1, 1, 1],
    silenceMs,
  });
  onTestFinished(() => api.close());
  return api;
}

async function errorOf(work: Promise<unknown>): Promise<DriverError> {
  const thrown = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(thrown).toBeInstanceOf(DriverError);
  return thrown as DriverError;
}

describe("a fleet", () => {
  it("is read page by page, compressed, and with nothing but GET", async () => {
    const cluster = madeCluster({ seed: 1, nodes: 5, allocations: 1_234, failing: 0.1 });
    const nomad = await nomadWith(cluster);
    const progress: Progress[] = [];
    const { allocations, nodes } = await readFleet(apiOf(nomad.address), "web", (each) =>
      progress.push(each),
    );
    expect(new Set(allocations.map(({ id }) => id))).toEqual(
      new Set(cluster.allocations.map(({ ID }) => ID)),
    );
    expect(nodes.size).toBe(5);
    expect(new Set(nomad.requests.map(({ method }) => method))).toEqual(new Set(["GET"]));
    expect(nomad.requests.filter(({ path }) => path === "/v1/allocations")).toHaveLength(3);
    const shares = progress
      .filter(({ what }) => what === "allocations")
      .map(({ done, share }) => [done, share]);
    expect(shares.map(([done]) => done)).toEqual([500, 1_000, 1_234]);
    expect(shares.map(([, share]) => share)).toEqual(shares.map(([, share]) => share).toSorted());
    expect(shares.at(-1)?.[1]).toBe(1);
  });

  it("of a job has its dispatched and periodic children, and no job whose name only begins so", async () => {
    const { allocations } = recordedCluster();
    const [web] = allocations;
    const named = (id: string, JobID: string) => ({ ...web, ID: id, JobID });
    const more = [
      named("a", "worker/periodic-1796091197"),
      named("b", "worker2"),
      named("c", "workers/dispatch-1"),
    ];
    const nomad = await nomadWith({ ...recordedCluster(), allocations: [...allocations, ...more] });
    const found = await readFleet(apiOf(nomad.address), "worker");
    expect(found.allocations.map(({ job }) => job.replace(/-.*/, "")).sort()).toEqual([
      ...Array(3).fill("worker/dispatch"),
      "worker/periodic",
    ]);
  });

  it("of a job with the characters of an expression in its name is that job's", async () => {
    const cluster = recordedCluster();
    const odd = cluster.allocations.map((each) => ({ ...each, JobID: 'a.b"(`c' }));
    const nomad = await nomadWith({ ...cluster, allocations: odd });
    expect((await readFleet(apiOf(nomad.address), 'a.b"(`c')).allocations).toHaveLength(19);
    expect((await errorOf(readFleet(apiOf(nomad.address), 'axb"(`c'))).summary).toBe(
      'Nomad has no job "axb\\"(`c" in namespace default',
    );
  });

  it("of a namespace has no other one's allocations, and of * has all", async () => {
    const nomad = await nomadWith(recordedCluster());
    const namespaces = async (namespace: string) => {
      const { allocations } = await readFleet(
        apiOf(nomad.address, { NOMAD_NAMESPACE: namespace }),
        undefined,
      );
      return [...new Set(allocations.map((each) => each.namespace))];
    };
    expect(await namespaces("default")).toEqual(["default"]);
    expect(await namespaces("team-a")).toEqual(["team-a"]);
    expect(await namespaces("*")).toEqual(["default", "team-a"]);
  });

  it("without a job leaves out tasks of other drivers, and asks for each job once", async () => {
    const cluster = recordedCluster();
    cluster.jobs = cluster.jobs.map((job) =>
      job.ID === "loop" || job.ID === "worker" ? jobOf(String(job.ID), "default", "docker") : job,
    );
    const nomad = await nomadWith(cluster);
    const { allocations } = await readFleet(apiOf(nomad.address), undefined);
    const failed = allocations.filter(({ failure }) => failure !== undefined).map(({ job }) => job);
    expect(failed.toSorted()).toEqual(["crash", "denied", "every", "every", "missing", "refused", "seven"]);
    const asked = nomad.requests.filter(({ path }) => path.startsWith("/v1/job/")).map(({ path }) => path);
    expect(asked.toSorted()).toEqual(["/v1/job/every", "/v1/job/loop", "/v1/job/worker"]);
  });

  it("waits for something new by a blocking query", async () => {
    const cluster = recordedCluster();
    const nomad = await nomadWith(cluster);
    const api = apiOf(nomad.address);
    const fleet = await readFleet(api, "web");
    let isOver = false;
    const waiting = waitForChange(api, fleet).then(() => {
      isOver = true;
    });
    await expect.poll(() => nomad.requests.at(-1)?.query.get("index")).toBe(String(fleet.index));
    expect(isOver).toBe(false);
    nomad.changed();
    await waiting;
    expect((await readFleet(api, "web")).index).toBe(fleet.index + 1);
  });
});

describe("the address", () => {
  it.each([
    [
      "a Unix socket",
      "unix:///run/nomad.sock",
      { socketPath: "/run/nomad.sock", shown: "unix:///run/nomad.sock" },
    ],
    ["a path of a proxy", "https://proxy.example/nomad/", { shown: "https://proxy.example" }],
    ["an IPv6 address", "http://[::1]:4646", { shown: "http://[::1]:4646" }],
    [
      "a user with a password",
      "http://me:pw@10.0.0.1:4646",
      { shown: "http://10.0.0.1:4646", auth: "me:pw" },
    ],
  ])("may be %s", (_, address, expected) => {
    expect(nomadAddress({ NOMAD_ADDR: address })).toMatchObject(expected);
  });

  it("is the local agent's by default; options take precedence over variables", () => {
    expect(nomadAddress({})).toMatchObject({ shown: "http://127.0.0.1:4646", namespace: "default" });
    const env = { NOMAD_ADDR: "http://a", NOMAD_NAMESPACE: "n", NOMAD_REGION: "r", NOMAD_TOKEN: "" };
    expect(nomadAddress(env)).toMatchObject({
      shown: "http://a",
      namespace: "n",
      region: "r",
      token: undefined,
    });
    const given = { address: "http://b", namespace: "*", region: "s" };
    expect(nomadAddress(env, given)).toMatchObject({ shown: "http://b", namespace: "*", region: "s" });
  });

  it.each(["localhost:4646", "ftp://x", "unix://", "", " "])("%j is none, or the default", (address) => {
    const read = () => nomadAddress({ NOMAD_ADDR: address });
    if (address === "") expect(read().shown).toBe("http://127.0.0.1:4646");
    else expect(read).toThrow(expect.objectContaining({ code: "CONFIG_INVALID" }));
  });

  it("of a certificate that is not there is an error", () => {
    const env = { NOMAD_ADDR: "https://x", NOMAD_CACERT: "/nowhere.pem" };
    expect(() => nomadAddress(env)).toThrow(expect.objectContaining({ code: "CONFIG_INVALID" }));
  });

  it("is asked for the namespace and the region, and any server may answer", async () => {
    const nomad = await nomadWith(recordedCluster());
    const env = { NOMAD_REGION: "eu", NOMAD_NAMESPACE: "team-a" };
    await apiOf(nomad.address, env).get("/v1/nodes", z.unknown());
    const query = nomad.requests[0]?.query;
    expect([query?.get("region"), query?.get("namespace"), query?.has("stale")]).toEqual([
      "eu",
      "team-a",
      true,
    ]);
  });

  it("of a Unix socket is connected to", async () => {
    const nomad = await nomadWith(recordedCluster(), { socketPath: join(temporaryFolder(), "nomad.sock") });
    expect((await readFleet(apiOf(nomad.address), "web")).allocations).toHaveLength(3);
  });
});

it("a certificate's authority, its name and a client's certificate are checked as the variables say", async (context) => {
  requireTools(context, "openssl");
  const folder = temporaryFolder();
  const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  const request = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  const names = ["-subj", "/CN=nomad", "-addext", "subjectAltName=DNS:server.global.nomad", "-days", "1"];
  execFileSync("openssl", [...request, "-keyout", key, "-out", cert, ...names], { stdio: "ignore" });
  const pem = { key: readFileSync(key, "utf8"), cert: readFileSync(cert, "utf8") };
  const nomad = await nomadWith(recordedCluster(), { tls: { ...pem, ca: pem.cert } });
  const whole = { NOMAD_CACERT: cert, NOMAD_TLS_SERVER_NAME: "server.global.nomad" };
  const client = { NOMAD_CLIENT_CERT: cert, NOMAD_CLIENT_KEY: key };
  const ask = (env: Variables) => readFleet(apiOf(nomad.address, env), "web");
  expect((await ask({ ...whole, ...client })).allocations).toHaveLength(3);
  expect((await ask({ NOMAD_SKIP_VERIFY: "true", ...client })).allocations).toHaveLength(3);
  for (const env of [{}, { NOMAD_CACERT: cert }, whole]) {
    const error = await errorOf(ask(env));
    expect(error.code).toBe("NOMAD_UNREACHABLE");
  }
  expect((await errorOf(ask({}))).hint).toContain("Set NOMAD_CACERT");
});

describe("a token", () => {
  const tokens = { [token]: ["jobs", "nodes"], narrow: ["jobs"], none: [] } as const;

  it("is sent, and reads what it may", async () => {
    const nomad = await nomadWith(recordedCluster(), { tokens });
    const found = await readFleet(apiOf(nomad.address, { NOMAD_TOKEN: token }), "web");
    expect(found.allocations).toHaveLength(3);
    expect(found.notes).toEqual([]);
  });

  it.each([undefined, "wrong", "none"])("%s is refused, with the rules that it lacks", async (given) => {
    const nomad = await nomadWith(recordedCluster(), { tokens });
    const error = await errorOf(
      readFleet(apiOf(nomad.address, given ? { NOMAD_TOKEN: given } : {}), "denied"),
    );
    expect(error.code).toBe("NOMAD_REFUSED");
    expect(error.message).toContain('namespace "default" {\n    capabilities = ["read-job"]\n}');
    expect(error.message).toContain('node {\n    policy = "read"\n}');
    expect(error.message).toContain(given === undefined ? "without a token" : "with this token");
    if (given === "wrong") expect(error.message).not.toContain("wrong");
  });

  it("that may not read nodes gets an answer without them, which says so", async () => {
    const nomad = await nomadWith(recordedCluster(), { tokens });
    const fleet = await readFleet(apiOf(nomad.address, { NOMAD_TOKEN: "narrow" }), "denied");
    expect(fleet.nodes.size).toBe(0);
    expect(explainFleet(fleet, undefined).notes).toEqual([
      expect.stringContaining(
        "The token may not read nodes, so their kernels, classes and attributes are not compared",
      ),
    ]);
    const error = await errorOf(readAllNodes(apiOf(nomad.address, { NOMAD_TOKEN: "narrow" })));
    expect(error.code).toBe("NOMAD_REFUSED");
  });

  it("is in no error, even if a server repeats it", async () => {
    const { createServer } = await import("node:http");
    const server = createServer((request, response) => {
      response
        .writeHead(500)
        .end(`no policy for ${request.headers["x-nomad-token"]}, ${request.headers.authorization}`);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void server.close());
    const { port } = server.address() as { port: number };
    const env = { NOMAD_TOKEN: token, NOMAD_HTTP_AUTH: "me:secret-password" };
    const error = await errorOf(readFleet(apiOf(`http://127.0.0.1:${port}`, env), "web"));
    expect(error.message).toContain("no policy for •••");
    const shown = JSON.stringify([error, error.message, error.stack, error.cause]);
    expect(shown).not.toContain(token);
    expect(shown).not.toContain("secret-password");
    expect(shown).not.toContain(Buffer.from("me:secret-password").toString("base64"));
  });
});

describe("an answer that goes wrong", () => {
  const failing = async (trouble: Trouble, times: number, silenceMs?: number) => {
    const nomad = await nomadWith(recordedCluster(), {
      trouble: (path, nth) => (path === "/v1/allocations" && nth < times ? trouble : undefined),
    });
    return { nomad, read: readFleet(apiOf(nomad.address, {}, silenceMs), "denied") };
  };
  const always = Number.POSITIVE_INFINITY;

  it.each(["cut", 503] as const)("%s is asked for again", async (trouble) => {
    const { read, nomad } = await failing(trouble, 2);
    expect((await read).allocations).toHaveLength(1);
    expect(nomad.requests.filter(({ path }) => path === "/v1/allocations")).toHaveLength(3);
  });

  it.each([
    ["cut", "NOMAD_UNREACHABLE", "connection reset|aborted|ECONNRESET"],
    [503, "NOMAD_FAILED", "answers with status 503: upstream is not there"],
    [500, "NOMAD_FAILED", "answers with status 500: No path to region"],
    ["brokenJson", "NOMAD_FAILED", "is not what Nomad's API says"],
    ["notNomad", "NOMAD_FAILED", "is not what Nomad's API says"],
    ["brokenGzip", "NOMAD_UNREACHABLE", "cannot be read"],
  ] as const)("%s without end is an error", async (trouble, code, text) => {
    const error = await errorOf((await failing(trouble, always)).read);
    expect(error.code).toBe(code);
    expect(error.message).toMatch(new RegExp(text));
  });

  it("silence is an error after a while", async () => {
    const error = await errorOf((await failing("silence", always, 50)).read);
    expect(error).toMatchObject({ code: "NOMAD_UNREACHABLE", failed: { errno: "ETIMEDOUT" } });
  });

  it("an error of a node ends the reading", async () => {
    const nomad = await nomadWith(recordedCluster(), {
      trouble: (path) => (path.startsWith("/v1/node/") ? 500 : undefined),
    });
    expect((await errorOf(readFleet(apiOf(nomad.address), "denied"))).code).toBe("NOMAD_FAILED");
  });

  it("an unknown node is a note", async () => {
    const nomad = await nomadWith({ ...recordedCluster(), nodes: [] });
    const { notes } = await readFleet(apiOf(nomad.address), "denied");
    expect(notes).toEqual(["Nomad no longer knows 1 of 1 nodes, whose attributes are not compared"]);
  });

  it("no leader is a note", async () => {
    const nomad = await nomadWith(recordedCluster(), { trouble: () => "noLeader" });
    const { notes } = await readFleet(apiOf(nomad.address), "denied");
    expect(notes).toEqual(["The server that answered knows of no leader: newer failures may be missing"]);
  });

  it("no server is an error with advice", async () => {
    const nomad = await startNomad(recordedCluster());
    await nomad.close();
    const error = await errorOf(readFleet(apiOf(nomad.address), "web"));
    expect(error).toMatchObject({ code: "NOMAD_UNREACHABLE", failed: { errno: "ECONNREFUSED" } });
    expect(error.hint).toContain("Set NOMAD_ADDR");
  });
});
