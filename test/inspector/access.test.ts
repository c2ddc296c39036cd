/** The inspector admits some clients and refuses others. */
import { describe, expect, it } from "vitest";
import { Access } from "../../src/inspector/server/access.ts";

const access = new Access();
const host = "127.0.0.1:4650";
const welcome = access.judge({ method: "GET", url: `/?token=${access.token}`, headers: { host } });
const cookie = welcome.kind === "welcome" ? (welcome.cookie.split(";")[0] ?? "") : "";
const own = { host, cookie };

describe("a browser", () => {
  it("gets a cookie for the token, which no script and no other site can use", () => {
    expect(welcome).toMatchObject({ kind: "welcome" });
    expect(JSON.stringify(welcome)).toMatch(/HttpOnly; SameSite=Strict/);
    expect(JSON.stringify(welcome)).not.toContain(access.token);
  });

  it.each([
    [{ host, cookie }],
    [{ host: "localhost:9000", cookie: `other=1; ${cookie}` }],
    [{ host: "[::1]:4650", cookie }],
    [{ host, cookie, origin: `http://${host}` }],
  ])("is admitted with the cookie: %j", (headers) => {
    expect(access.judge({ method: "GET", url: "/", headers })).toEqual({ kind: "admitted" });
    expect(access.judge({ method: "HEAD", url: "/api/tasks", headers })).toEqual({ kind: "admitted" });
  });
});

describe("a request is refused:", () => {
  it.each([
    ["another method", 405, "POST", "/", own],
    ["no method", 405, undefined, "/", own],
    ["a name that resolves to this host", 421, "GET", "/", { ...own, host: "evil.example:4650" }],
    ["a name that begins as an address does", 421, "GET", "/", { ...own, host: "127.0.0.1.evil.example" }],
    ["an invalid path", 400, "GET", "//", own],
    ["an invalid address", 400, "GET", "http://[", own],
    ["no host at all", 421, "GET", "/", { cookie }],
    ["a page of another origin", 403, "GET", "/api/tasks", { ...own, origin: "http://evil.example" }],
    ["a page without an origin", 403, "GET", "/api/tasks", { ...own, origin: "null" }],
    ["no cookie", 401, "GET", "/api/tasks", { host }],
    ["another cookie", 401, "GET", "/api/tasks", { host, cookie: `${cookie}x` }],
    ["a wrong token", 401, "GET", "/?token=x", { host }],
    ["an empty token", 401, "GET", "/?token=", { host }],
    ["the token at a path other than the page's", 401, "GET", `/api/tasks?token=${access.token}`, { host }],
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
