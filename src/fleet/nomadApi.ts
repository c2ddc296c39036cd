/**
 * A thin client of Nomad's HTTP API, which only reads: pages, blocking queries, compressed answers. The token is in a
 * header of each request and nowhere else.
 */
import { Agent, type ClientRequest, type IncomingMessage, request as requestHttp } from "node:http";
import { request as requestHttps, Agent as SecureAgent } from "node:https";
import { setTimeout as delay } from "node:timers/promises";
import { createGunzip } from "node:zlib";
import type { z } from "zod";
import { DriverError, errnoOf, messageOf } from "../base/errors.ts";
import { parseJsonOrNothing } from "../base/json.ts";
import { trustBundledRoots } from "../base/rootCertificates.ts";
import type { NomadAddress } from "./nomadAddress.ts";

/** An answer of Nomad. */
export interface Answer<T> {
  readonly body: T;
  /** `X-Nomad-Index`: a blocking query with it waits until there is something newer. */
  readonly index: number;
  /** Where the next page begins; undefined after the last one. */
  readonly nextToken: string | undefined;
  /** Whether the server that answered knew of a leader. */
  readonly hasLeader: boolean;
}

export type Query = Readonly<Record<string, string | undefined>>;

export interface NomadApiOptions {
  /** How long to wait before each further attempt, in milliseconds. */
  readonly retryAfterMs?: readonly number[];
  /** How long an answer may stay away or stand still, in milliseconds. */
  readonly silenceMs?: number;
}

/** How long a blocking query waits for something newer; Nomad adds up to a sixteenth. */
const waitMs = 60_000;

const connections = 8;
const maxAnswerBytes = 2 ** 28;
const maxErrorText = 300;

/** What proxies say of a server that comes back. */
const passing: ReadonlySet<number> = new Set([429, 502, 503, 504]);

export class NomadApi {
  readonly address: NomadAddress;
  readonly #agent: Agent;
  readonly #retryAfterMs: readonly number[];
  readonly #silenceMs: number;

  constructor(
    address: NomadAddress,
    { retryAfterMs = [250, 1_000, 3_000], silenceMs = 30_000 }: NomadApiOptions = {},
  ) {
    this.address = address;
    this.#retryAfterMs = retryAfterMs;
    this.#silenceMs = silenceMs;
    const { tls } = address;
    const common = { keepAlive: true, maxSockets: connections };
    const isSecure = address.url.protocol === "https:";
    if (isSecure && tls.ca === undefined) trustBundledRoots();
    this.#agent = isSecure ? new SecureAgent({ ...common, ...tls }) : new Agent(common);
  }

  /**
   * @param path such as `/v1/nodes`
   * @throws DriverError `NOMAD_UNREACHABLE`, `NOMAD_REFUSED`, `NOMAD_FAILED`
   */
  async get<S extends z.ZodType>(path: string, schema: S, query: Query = {}): Promise<Answer<z.infer<S>>> {
    return this.#get(path, schema, query, this.#silenceMs);
  }

  /** Like {@link get}; undefined if there is nothing at the path. */
  async find<S extends z.ZodType>(
    path: string,
    schema: S,
    query: Query = {},
  ): Promise<z.infer<S> | undefined> {
    try {
      return (await this.get(path, schema, query)).body;
    } catch (thrown) {
      if (thrown instanceof DriverError && thrown.cause === notFound) return undefined;
      throw thrown;
    }
  }

  /** The pages of a list, each as soon as the one before has been taken. */
  async *pages<S extends z.ZodType>(
    path: string,
    schema: S,
    query: Query = {},
  ): AsyncGenerator<Answer<z.infer<S>>> {
    let token: string | undefined;
    do {
      const answer: Answer<z.infer<S>> = await this.get(path, schema, { ...query, next_token: token });
      yield answer;
      if (answer.nextToken === token && token !== undefined)
        throw new DriverError("NOMAD_FAILED", `${this.#place(path)} has a page that leads to itself`);
      token = answer.nextToken;
    } while (token !== undefined);
  }

  /**
   * Waits until the index of the answer is another than the given one.
   * @returns the new index
   */
  async changed(path: string, schema: z.ZodType, query: Query, index: number): Promise<number> {
    for (;;) {
      const blocking = { ...query, index: String(Math.max(1, index)), wait: `${waitMs}ms` };
      const answer = await this.#get(path, schema, blocking, this.#silenceMs + waitMs + waitMs / 16);
      // An index that went back is that of a restored server: what it has now is new.
      if (answer.index !== index) return answer.index;
    }
  }

  close(): void {
    this.#agent.destroy();
  }

  async #get<S extends z.ZodType>(
    path: string,
    schema: S,
    query: Query,
    silenceMs: number,
  ): Promise<Answer<z.infer<S>>> {
    for (let attempt = 0; ; attempt++) {
      const again = this.#retryAfterMs[attempt];
      try {
        const { status, headers, text } = await this.#ask(path, query, silenceMs);
        if (status === 200) return this.#answerOf(path, schema, headers, text);
        if (again === undefined || !passing.has(status)) throw this.#refusal(path, status, text);
      } catch (thrown) {
        if (thrown instanceof DriverError) throw thrown;
        if (again === undefined || !isPassing(thrown)) throw this.#unreachable(path, thrown);
      }
      await delay(again);
    }
  }

  async #ask(path: string, query: Query, silenceMs: number) {
    const { url, socketPath, region, namespace, token, auth } = this.address;
    const target = new URL(url);
    target.pathname = target.pathname.replace(/\/$/, "") + path;
    // Any server may answer, so that the leader is spared.
    for (const [name, value] of Object.entries({ namespace, region, stale: "", ...query }))
      if (value !== undefined) target.searchParams.set(name, value);
    const open = target.protocol === "https:" ? requestHttps : requestHttp;
    const request = open({
      ...{ agent: this.#agent, path: target.pathname + target.search, auth },
      ...(socketPath === undefined
        ? { host: target.hostname.replace(/^\[|\]$/g, ""), port: target.port }
        : { socketPath }),
      headers: { "Accept-Encoding": "gzip", ...(token !== undefined && { "X-Nomad-Token": token }) },
    });
    request.setTimeout(silenceMs, () =>
      request.destroy(
        Object.assign(new Error(`no answer for ${silenceMs / 1_000} s`), { code: "ETIMEDOUT" }),
      ),
    );
    const response = await responseOf(request);
    return { status: response.statusCode ?? 0, headers: response.headers, text: await textOf(response) };
  }

  #answerOf<S extends z.ZodType>(
    path: string,
    schema: S,
    headers: IncomingMessage["headers"],
    text: string,
  ): Answer<z.infer<S>> {
    const body = schema.safeParse(parseJsonOrNothing(text));
    if (!body.success) {
      const [issue] = body.error.issues;
      const where = issue === undefined || issue.path.length === 0 ? "" : ` at ${issue.path.join(".")}`;
      throw new DriverError(
        "NOMAD_FAILED",
        `what ${this.#place(path)} answers is not what Nomad's API says${where}`,
        {
          hint: "NOMAD_ADDR may be the address of another service",
        },
      );
    }
    const header = (name: string) => headers[name] as string | undefined;
    return {
      body: body.data,
      index: Number(header("x-nomad-index") ?? 0),
      nextToken: header("x-nomad-nexttoken") || undefined,
      hasLeader: header("x-nomad-knownleader") !== "false",
    };
  }

  #refusal(path: string, status: number, text: string): DriverError {
    const said = this.#masked(text.trim()).slice(0, maxErrorText);
    const what = `${this.#place(path)} answers with status ${status}${said === "" ? "" : `: ${said}`}`;
    if (status === 401 || status === 403) {
      const which = this.address.token === undefined ? "without a token" : "with this token";
      return new DriverError(
        "NOMAD_REFUSED",
        `Nomad refuses ${path} ${which}${said === "" ? "" : `: ${said}`}`,
        {
          hint: `Set NOMAD_TOKEN to a token whose policy has these rules:\n${rulesFor(path, this.address.namespace)}`,
        },
      );
    }
    if (/HTTP request to an HTTPS server/i.test(text))
      return new DriverError("NOMAD_FAILED", what, { hint: "Set NOMAD_ADDR to the address with https://" });
    return new DriverError("NOMAD_FAILED", what, status === 404 ? { cause: notFound } : {});
  }

  #unreachable(path: string, thrown: unknown): DriverError {
    const errno = errnoOf(thrown);
    const { code } = thrown as { readonly code?: string };
    const isCertificate = /CERT|ISSUER|SELF_SIGNED|ALTNAME|ERR_TLS/.test(code ?? "");
    const hint = isCertificate
      ? "Set NOMAD_CACERT to the certificate of Nomad's authority, and NOMAD_TLS_SERVER_NAME if its name is another one"
      : "Set NOMAD_ADDR to the address of a Nomad agent";
    const why = errno === undefined ? `: ${this.#masked(messageOf(thrown))}` : "";
    const failed = errno === undefined ? undefined : { call: "connect", errno };
    return new DriverError("NOMAD_UNREACHABLE", `${this.#place(path)} cannot be read${why}`, {
      hint,
      failed,
    });
  }

  #place(path: string): string {
    return `${this.address.shown}${path}`;
  }

  /** A proxy may repeat what it was sent. */
  #masked(text: string): string {
    const { token, auth } = this.address;
    const password = auth?.slice(auth.indexOf(":") + 1);
    const secrets = [token, password, auth && Buffer.from(auth).toString("base64")];
    return secrets.reduce<string>((rest, secret) => (secret ? rest.replaceAll(secret, "•••") : rest), text);
  }
}

/** The cause of an error about something that Nomad does not have. */
const notFound = Symbol("not found");

/** The ACL rules that all requests about a cluster take together; for an agent's own facts, the agent's, too. */
function rulesFor(path: string, namespace: string): string {
  return [
    ...(path.startsWith("/v1/agent/") ? ["agent {", '    policy = "read"', "}"] : []),
    `namespace ${JSON.stringify(namespace)} {`,
    '    capabilities = ["read-job"]',
    "}",
    "node {",
    '    policy = "read"',
    "}",
  ].join("\n");
}

/** Whether another attempt may succeed soon: the connection broke, or the server is just starting. */
function isPassing(thrown: unknown): boolean {
  const { code = "" } = thrown as { readonly code?: string };
  return [
    "ECONNRESET",
    "EPIPE",
    "ECONNABORTED",
    "Z_BUF_ERROR",
    "ERR_STREAM_PREMATURE_CLOSE",
    "EAI_AGAIN",
  ].includes(code);
}

async function responseOf(request: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.on("response", resolve).on("error", reject).end();
  });
}

async function textOf(response: IncomingMessage): Promise<string> {
  const isZipped = response.headers["content-encoding"] === "gzip";
  const chunks: Buffer[] = [];
  let bytes = 0;
  const take = async (stream: AsyncIterable<Buffer>) => {
    for await (const chunk of stream) {
      bytes += chunk.length;
      if (bytes > maxAnswerBytes) throw new Error(`its answer is larger than ${maxAnswerBytes} bytes`);
      chunks.push(chunk);
    }
  };
  if (!isZipped) await take(response);
  else {
    const unzipped = createGunzip();
    response.on("error", (error) => unzipped.destroy(error)).pipe(unzipped);
    await take(unzipped);
  }
  return Buffer.concat(chunks).toString();
}
