import { expect, it } from "vitest";
import { askedValues, exampleValues } from "../../../../src/localAgent/jobspec/goTemplate/askedValues.ts";

const braces = { left: "{{", right: "}}" };
const exampleOf = (source: string) => exampleValues(askedValues(source, braces));

it.each([
  [
    '{{ with secret "kv/data/db" }}{{ .Data.data.user }}:{{ .Data.data.password | toUpper }}{{ end }}',
    'secret = {\n  "kv/data/db" = {\n    "data" = {\n      "user" = "example"\n      "password" = "example"\n    }\n  }\n}\n',
  ],
  [
    '{{ (secret "db/creds" "ttl=1h").Data.username }}',
    'secret = {\n  "db/creds" = {\n    "username" = "example"\n  }\n}\n',
  ],
  [
    '{{ with $s := secret "a" }}{{ if .Data.x }}{{ with "y" }}{{ .Data.z }}{{ $s.Data.b }}{{ end }}{{ end }}{{ end }}',
    'secret = {\n  "a" = {\n    "x" = "example"\n    "b" = "example"\n  }\n}\n',
  ],
  [
    '{{ key "a/b" }}{{ keyOrDefault "c" "1" }}{{ range ls "app/" }}{{ .Key }}{{ end }}',
    'key = {\n  "a/b" = "example"\n  "c" = "example"\n  "app/example" = "example"\n}\n',
  ],
  [
    '{{ range service "primary.db@dc1|passing" }}{{ .Address }}{{ else }}{{ range service "web" }}{{ end }}{{ end }}',
    'service = {\n  "db" = [{\n    "Address" = "127.0.0.1"\n    "Port" = 8080\n    "Tags" = ["primary"]\n  }]\n' +
      '  "web" = [{\n    "Address" = "127.0.0.1"\n    "Port" = 8080\n  }]\n}\n',
  ],
  [
    '{{ define "x" }}{{ with nomadVar "nomad/jobs/web" }}{{ .owner }}{{ end }}{{ end }}{{ template "x" }}',
    'nomadVar = {\n  "nomad/jobs/web" = {\n    "owner" = "example"\n  }\n}\n',
  ],
  [
    '{{ range nomadService 2 "k" "api" }}{{ .Port }}{{ end }}{{ "kv/x" | secret }}',
    'nomadService = {\n  "api" = [{\n    "Address" = "127.0.0.1"\n    "Port" = 8080\n  }]\n}\n\nsecret = {}\n',
  ],
  ['{{ env "HOME" }}', ""],
])("%s is answered by", (source, example) => {
  expect(exampleOf(source)).toBe(example);
});

it("a name that the template computes is not known", () => {
  const asked = askedValues('{{ key (printf "app/%s" (env "X")) }}{{ secret (key "b") }}', braces);
  expect(asked.map(({ kind, name }) => [kind, name])).toEqual([
    ["key", undefined],
    ["secret", undefined],
    ["key", "b"],
  ]);
});

it("texts are literal in HCL", () => {
  expect(exampleOf(`{{ key "a$\{b}\\"%{c}" }}`)).toBe(`key = {\n  "a$$\{b}\\"%%{c}" = "example"\n}\n`);
});
