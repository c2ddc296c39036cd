/** Vitest runs this before each test file, even if files share a process. */
import { afterAll } from "vitest";
import { finishFile } from "./fileEnd.ts";

afterAll(finishFile);
