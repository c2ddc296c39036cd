/** Places of job files are found in their source. */
import { describe, expect, it } from "vitest";
import { positionOfPlace } from "../../../../src/localAgent/jobspec/source/positions.ts";

const job = `job "web" {
  group "g" {
    task "a" {
      template {
        data        = <<EOT
task "b" {
  template {
    user = 1
EOT
        destination = "local/{a" # template {
      }
      template { destination = "local/b" }
      config {
        args = [
          "x",
        ]
      }
    }
    task "b" {
      template {
        user        = "u"
        destination = "local/c"
      }
      user = "b"
      config {
        command = "x"
      }
      dynamic "template" {
        for_each = ["x"]
        content {
          perms = "0600"
        }
      }
    }
  }
}
`;

describe("the line of a place", () => {
  it.each([
    ["job.web.group.g.task.a.template[1].destination", 12],
    ["job.web.group.g.task.a.config.args[0]", 14],
    ["job.web.group.g.task.b", 19],
    ["job.web.group.g.task.b.template", 20],
    ["job.web.group.g.task.b.template.destination", 22],
    ["job.web.group.g.task.b.user", 24],
    ["job.web.group.g.task.b.config.command", 26],
    ["job.web.group.g.task.b.template.perms", undefined],
    // A later task has it, but not this one.
    ["job.web.group.g.task.a.config.command", undefined],
    ["job.web.group.g.task.a.user", undefined],
  ])("%s: %s", (place, line) => {
    expect(positionOfPlace(job, place)?.line).toBe(line);
  });

  it.each([
    ["job.web.group.g.task.a.config.args[1]", 6],
    ["job.web.group.g.task.b.config.args", 7],
    ["job.web.group.g.task.a.env", undefined],
  ])("of JSON, %s: %s", (place, line) => {
    const json = `{ "job": { "web": {
  "group": { "g": {
    "task": [
      { "a": {
        "config": [{ "command": "{x",
          "args": ["}", 1] }] } },
      { "b": { "config": { "args": [] },
        "env": {} } } ] } } } } }`;
    expect(positionOfPlace(json, place)?.line).toBe(line);
  });
});
