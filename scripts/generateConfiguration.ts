/** Updates the tables of docs/configuration.md from the schemas of the options. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { renewPage } from "./configuration/page.ts";

const page = join(import.meta.dirname, "../docs/configuration.md");
writeFileSync(page, renewPage(readFileSync(page, "utf8")));
