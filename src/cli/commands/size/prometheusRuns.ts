/** Asks a Prometheus server for the runs of a job, by its HTTP API. */
import { z } from "zod";
import { DriverError, messageOf } from "../../../base/errors.ts";
import { parseJsonOrNothing } from "../../../base/json.ts";
import { trustBundledRoots } from "../../../base/rootCertificates.ts";
import {
  answerSchema,
  countIn,
  type Figures,
  figureQueries,
  goingQuery,
  killedQuery,
  runsInMetrics,
  tasksQuery,
  type Vector,
  windowOf,
} from "../../../history/size/prometheus.ts";
import type { RunUse } from "../../../history/size/runUse.ts";
import { warn } from "../../terminal/errors.ts";

/** Allocations in a query: their ids are some 10 KB. */
const chunk = 250;
/** A server gives a query up after two minutes, unless it is configured otherwise. */
const silenceMs = 150_000;
const maxAnswerBytes = 2 ** 26;
const maxErrorText = 300;

export interface EvidenceInMetrics {
  readonly runs: readonly RunUse[];
  /** Tasks of the job that ended for lack of memory; which ones, the metrics do not tell. */
  readonly killed: number;
}

/**
 * @param address of the server, which may have a user and a password in it
 * @param token for `Authorization: Bearer`; undefined for none
 * @param since milliseconds before now
 * @throws DriverError `CONFIG_INVALID` for an address that is none, `PROMETHEUS_FAILED`
 */
export async function prometheusRuns(
  address: string,
  token: string | undefined,
  job: string,
  { since, now }: { readonly since: number; readonly now: number },
): Promise<EvidenceInMetrics> {
  const server = new Prometheus(address, token, now);
  const window = windowOf(since);
  const [tasks, going, killed] = await Promise.all([
    server.query(tasksQuery(job, window)),
    server.query(goingQuery(job)),
    server.query(killedQuery(job, window)),
  ]);
  const allocations = [...new Set(tasks.map(({ metric }) => metric.alloc_id ?? ""))];
  const runs: RunUse[] = [];
  for (let first = 0; first < allocations.length; first += chunk) {
    const some = allocations.slice(first, first + chunk);
    const own = tasks.filter(({ metric }) => some.includes(metric.alloc_id ?? ""));
    const answers = Object.entries(figureQueries(some, window)).map(
      async ([name, query]): Promise<[string, Vector]> => [name, await server.query(query)],
    );
    runs.push(...runsInMetrics(own, going, Object.fromEntries(await Promise.all(answers)) as Figures, now));
  }
  for (const warning of server.warnings) warn(`Prometheus: ${warning}`);
  return { runs, killed: Math.ceil(countIn(killed)) };
}

const errorSchema = z.object({ status: z.literal("error"), errorType: z.string(), error: z.string() });

class Prometheus {
  readonly warnings = new Set<string>();
  readonly #url: URL;
  readonly #authorization: string | undefined;
  readonly #time: string;

  constructor(address: string, token: string | undefined, now: number) {
    const url = URL.parse(address);
    if (url === null || !/^https?:$/.test(url.protocol)) {
      throw new DriverError("CONFIG_INVALID", "the address of Prometheus is none", {
        hint: "Give one such as --prometheus http://prometheus.example.org:9090",
      });
    }
    const user = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
    const basic = url.username === "" ? undefined : `Basic ${Buffer.from(user).toString("base64")}`;
    this.#authorization = token === undefined ? basic : `Bearer ${token}`;
    this.#url = new URL(`${url.origin}${url.pathname.replace(/\/+$/, "")}/api/v1/query`);
    this.#time = String(now / 1000);
    if (url.protocol === "https:") trustBundledRoots();
  }

  /** The answer to a query of which the result is an instant vector. @throws DriverError `PROMETHEUS_FAILED` */
  async query(query: string): Promise<Vector> {
    const { status, text } = await this.#post(new URLSearchParams({ query, time: this.#time }));
    const json = parseJsonOrNothing(text);
    const answer = answerSchema.safeParse(json);
    if (answer.success) {
      for (const warning of answer.data.warnings ?? []) this.warnings.add(warning);
      return answer.data.data.result;
    }
    const error = errorSchema.safeParse(json);
    const said = error.success ? `: ${error.data.errorType}: ${error.data.error}` : "";
    const what =
      status === 200 && said === "" ? "with what is not its API's" : `with status ${status}${said}`;
    throw this.#failure(`answers ${what.slice(0, maxErrorText)}`, undefined, hintOf(status));
  }

  async #post(body: URLSearchParams): Promise<{ readonly status: number; readonly text: string }> {
    const headers = this.#authorization === undefined ? {} : { Authorization: this.#authorization };
    try {
      const signal = AbortSignal.timeout(silenceMs);
      const response = await fetch(this.#url, { method: "POST", body, headers, signal, redirect: "manual" });
      return { status: response.status, text: await textOf(response) };
    } catch (thrown) {
      // fetch() puts what happened into the cause.
      const cause = thrown instanceof Error ? (thrown.cause ?? thrown) : thrown;
      throw this.#failure(`cannot be asked: ${messageOf(cause)}`, cause);
    }
  }

  /** The address in it has no user. */
  #failure(what: string, cause?: unknown, hint?: string): DriverError {
    const place = `${this.#url.origin}${this.#url.pathname}`;
    return new DriverError("PROMETHEUS_FAILED", `Prometheus at ${place} ${what}`, { hint, cause });
  }
}

function hintOf(status: number): string | undefined {
  if (status === 401 || status === 403)
    return "Set PROMETHEUS_TOKEN, or give user and password in the address";
  if (status === 404) return "Give the address of the server, without /api";
  return status === 422 || status === 503 ? "Ask for less with --since" : undefined;
}

async function textOf({ body }: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const each of body ?? []) {
    bytes += each.length;
    if (bytes > maxAnswerBytes) throw new Error("the answer has more than 64 MiB");
    chunks.push(each);
  }
  return Buffer.concat(chunks).toString();
}
