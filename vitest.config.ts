import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/tools.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // What is waited for comes, but not within a second on a busy machine.
    expect: { poll: { timeout: 30_000 } },
    // Two cores: more processes would only compete for them.
    maxWorkers: 2,
    pool: 'forks',
  },
});
