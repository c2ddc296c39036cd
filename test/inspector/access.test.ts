/** The inspector admits some clients and refuses others. */
import { describe, expect, it } from "vitest";
import { Access } from "../../src/inspector/server/access.ts";

const access = new Access();
const host = "127.0.0.1:4650";
const authorization = `Bearer ${access.token}`;
const own = { host, authorization };

describe("a request with the token", () => {
  it.each([
    own,
    { ...own, host: "localhost:9000" },
    { ...own, host: "[::1]:4650" },
    { ...own, origin: `http://${host}` },
  ])("is admitted: %j", (headers) => {
    expect(access.judge({ method: "GET", url: "/", headers })).toEqual({ kind: "admitted" });
    expect(access.judge({ method: "HEAD", url: "/api/tasks", headers })).toEqual({ kind: "admitted" });
  });
});

it("a request without the token gets at most the page's own files", () => {
  for (const url of ["/", "/page.js", "/?token=x", `/?token=${access.token}`, "/apis"]) {
    expect([url, access.judge({ method: "GET", url, headers: { host } })]).toEqual([
      url,
      { kind: "stranger" },
    ]);
  }
});

describe("a request is refused:", () => {
  it.each([
    ["another method", 405, "POST", "/", own],
    ["no method", 405, undefined, "/", own],
    ["a name that resolves to this host", 421, "GET", "/", { ...own, host: "evil.example:4650" }],
    ["a name that begins as an address does", 421, "GET", "/", { ...own, host: "127.0.0.1.evil.example" }],
    ["an invalid path", 400, "GET", "//", own],
    ["an invalid address", 400, "GET", "http://[", own],
    ["no host at all", 421, "GET", "/", { authorization }],
    ["a page of another origin", 403, "GET", "/api/tasks", { ...own, origin: "http://evil.example" }],
    ["a page without an origin", 403, "GET", "/api/tasks", { ...own, origin: "null" }],
    ["no token", 401, "GET", "/api/tasks", { host }],
    ["a wrong token", 401, "GET", "/api/tasks", { host, authorization: `${authorization}x` }],
    ["an empty token", 401, "GET", "/api/tasks", { host, authorization: "Bearer " }],
    ["the token as a parameter", 401, "GET", `/api/tasks?token=${access.token}`, { host }],
    ["no token of a scraper", 401, "GET", "/metrics", { host }],
  ])("%s", (_name, status, method, url, headers) => {
    const asked = { url, headers, ...(method === undefined ? {} : { method }) };
    expect(access.judge(asked)).toMatchObject({ kind: "refused", status });
  });
});

describe("a client that is no browser", () => {
  const url = `/stately?token=${access.token}`;
  it("is admitted with the token, from this machine's own pages too", () => {
    expect(access.admitsClient({ url, headers: { host } })).toBe(true);
    expect(access.admitsClient({ url, headers: { host, origin: "http://localhost:8080" } })).toBe(true);
  });

  it("is refused without the token, under another name, and from another origin", () => {
    expect(access.admitsClient({ url: "/stately", headers: { host } })).toBe(false);
    expect(access.admitsClient({ url: "//", headers: { host } })).toBe(false);
    expect(access.admitsClient({ url, headers: { host: "evil.example" } })).toBe(false);
    expect(access.admitsClient({ url, headers: { host, origin: "https://evil.example" } })).toBe(false);
  });
});
