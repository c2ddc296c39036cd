import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // The virtual machine has its own runner.
    exclude: ["test/vm/**"],
    // Kernel tests start real processes. A separate process for each file keeps their descriptors apart.
    pool: "forks",
    testTimeout: 30_000,
    // CI machines are shared, which may make a test with real processes fail. A failed test runs once more,
    // and is reported as flaky if it then passes.
    retry: process.env.CI ? 1 : 0,
  },
});
