import { describe, expect, it } from "vitest";
import { goPatterns } from "../../../../src/localAgent/files/goPatterns.ts";
import { openGoTemplate } from "../../../../src/localAgent/jobspec/goTemplate/evaluate.ts";
import {
  type ServerValues,
  serverValuesSchema,
} from "../../../../src/localAgent/jobspec/goTemplate/serverValues.ts";

const values = serverValuesSchema.parse({
  secret: {
    "kv/data/db": { data: { password: "hunter2", port: 5432000 }, metadata: { version: 3 } },
    "database/creds/web": { username: "v-web", password: "x" },
  },
  key: { "app/port": 8080, "app/db/host": "db", "app/db/name": "shop", other: true },
  service: {
    db: [
      { Address: "10.0.0.1", Port: 5432, Tags: ["primary"] },
      { Address: "10.0.0.2", Port: 5432 },
    ],
    "a.b": [{ Address: "10.0.0.3", Port: 1 }],
  },
  nomadVar: { "nomad/jobs/web": { user: "ada", pin: 12 } },
  nomadService: { api: [1, 2, 3].map((n) => ({ Address: `10.0.1.${n}`, Port: 9000 + n })) },
});

function opened(source: string, servers: ServerValues = values) {
  const facts = { env: {}, now: 0, patterns: goPatterns(), servers };
  return openGoTemplate(source, { left: "{{", right: "}}" }, facts);
}

describe("a template with values for its servers", () => {
  it.each([
    [
      '{{ with secret "kv/data/db" }}{{ .Data.data.password }}:{{ .Data.data.port }}{{ end }}',
      "hunter2:5432000",
    ],
    ['{{ (secret "database/creds/web" "ttl=1h").Data.username }}', "v-web"],
    ['{{ key "app/port" }} {{ keyExists "app/port" }} {{ keyExists "none" }}', "8080 true false"],
    ['{{ keyOrDefault "app/port" "1" }} {{ keyOrDefault "none" "1" }}', "8080 1"],
    ['{{ range ls "app" }}{{ .Key }}={{ .Value }};{{ end }}', "port=8080;"],
    ['{{ range tree "app/" }}{{ .Key }}={{ .Value }};{{ end }}', "db/host=db;db/name=shop;port=8080;"],
    ['{{ range safeTree "none" }}x{{ end }}', ""],
    [
      '{{ range service "db" }}{{ .Name }}@{{ .Address }}:{{ .Port }} {{ end }}',
      "db@10.0.0.1:5432 db@10.0.0.2:5432 ",
    ],
    ['{{ range service "primary.db@dc1|passing" }}{{ .Address }}{{ end }}', "10.0.0.1"],
    ['{{ range service "a.b" }}{{ .Address }}{{ end }}', "10.0.0.3"],
    [
      '{{ with nomadVar "nomad/jobs/web" }}{{ .user }} {{ .pin }}{{ end }} {{ nomadVarExists "x" }}',
      "ada 12 false",
    ],
    ["{{ range services }}{{ .Name }}{{ .Tags }} {{ end }}", "a.b[] db[primary] "],
    ["{{ range nomadServices }}{{ .Name }}{{ end }}", "api"],
    [
      '{{ range nomadVarList "nomad/" }}{{ .Path }}{{ end }}{{ range nomadVarListSafe "x" }}x{{ end }}',
      "nomad/jobs/web",
    ],
    ["{{ range nomadVarList }}{{ .Path }}{{ end }}", "nomad/jobs/web"],
    ['{{ range nomadService 2 "k" "api" }}{{ .Port }} {{ end }}', "9001 9002 "],
  ])("%s", (source, text) => {
    const { problems, render } = opened(source);
    expect(problems).toEqual([]);
    expect(render()).toBe(text);
  });

  it.each([
    ['{{ secret "kv/data/other" }}', 'secret: the file of --values has no secret "kv/data/other"'],
    ['{{ key "constructor" }}', 'key: the file of --values has no key "constructor"'],
    ['{{ service "web" }}', 'service: the file of --values has no service "web"'],
  ])("that has no value for %s says so, and shows no other value", (source, message) => {
    const { render } = opened(source);
    expect(render).toThrow(message);
    expect(render).toThrow(expect.objectContaining({ fault: "lacking" }));
    expect(render).not.toThrow("hunter2");
  });

  it("still lacks functions of other kinds, which it names", () => {
    const { problems } = opened('{{ key "a" }}{{ secret "b" }}{{ if false }}{{ nodes }}{{ end }}', {
      key: { a: "1" },
    });
    expect(problems.map(({ message, fault }) => [message, fault])).toEqual([
      [
        "line 1 of the template: secret needs Vault, and a local run has none; --values FILE gives it values",
        "lacking",
      ],
      ["line 1 of the template: nodes needs Consul, and a local run has none", "lacking"],
    ]);
  });
});
