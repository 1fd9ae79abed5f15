import { configDefaults, defineConfig } from 'vitest/config'

/** Too long for every run: `npm run test:long` tells them, `npm test` the rest, within ten minutes on two cores. */
const LONG = [
  'test/e2e/byzantine-operations.test.ts',
  'test/e2e/hybrid-liars.test.ts',
  'test/e2e/hybrid-operations.test.ts',
  'test/telemetry/hybrid-export.test.ts',
  'test/simulator/byzantine.test.ts',
  'test/simulator/byzantine-members.test.ts',
  'test/simulator/twins.test.ts',
  'test/conformance/hotstuff.test.ts',
]

/** Told by both; `npm run test:long` tells all of it. */
const ALSO_LONG = ['test/e2e/byzantine.test.ts']

/** Real clusters, whose nodes want both cores: one file at a time. The rest is told by a worker for each core. */
const CLUSTERS = [
  'test/e2e/**/*.test.ts',
  'test/commands/**/*.test.ts',
  'test/telemetry/**/*.test.ts',
  'test/chaos/**/*.test.ts',
]

const tellsLong = process.env.KNHK_TEST_LONG === '1'
const skipped = tellsLong ? configDefaults.exclude : [...configDefaults.exclude, ...LONG]

export default defineConfig({
  test: {
    disableConsoleIntercept: true,
    reporters: ['default', './test/tools/counting-reporter.mjs'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'clusters',
          include: tellsLong ? [...LONG, ...ALSO_LONG] : CLUSTERS,
          exclude: skipped,
          maxWorkers: 1,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'rooms',
          include: tellsLong ? [] : ['test/**/*.test.ts'],
          exclude: [...skipped, ...CLUSTERS],
          maxWorkers: 2,
          // A worker loads the sources once, not once for each file: no module keeps state.
          isolate: false,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
})
