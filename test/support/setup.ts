/** Vitest runs this before each test file, even if files share a process. */
import { watchFileEnd } from "./fileEnd.ts";

watchFileEnd();
