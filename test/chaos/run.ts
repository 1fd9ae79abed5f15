/**
 * `npm run test:chaos`: real clusters of real processes, misused one story at a time while clients
 * write; what the clients saw is judged by the checker of the simulator. Exit code 0: nothing was
 * violated; 10: something was; 2: the options make no sense.
 *
 *   npm run test:chaos -- [--minutes N] [--story NAME]… [--seed S] [--json]
 */
import { optionsOf, refuse } from '../options.js'
import { type ClientPlan, runClientProcess } from './client-process.js'
import { BLOCKED_OUTPUT } from './stories/blocked-output.js'
import { COMPACTION } from './stories/compaction.js'
import { DAMAGE } from './stories/damage.js'
import { FULL_DISK } from './stories/full-disk.js'
import { KILL } from './stories/kill.js'
import { PARTITIONS } from './stories/partitions.js'
import { PAUSE } from './stories/pause.js'
import { ROLLING_RESTART } from './stories/rolling-restart.js'
import { type Story, tellStory } from './story.js'
import type { StoryResult } from './verdict.js'

const STORIES: readonly Story[] = [
  KILL,
  PAUSE,
  ROLLING_RESTART,
  FULL_DISK,
  DAMAGE,
  COMPACTION,
  BLOCKED_OUTPUT,
  ...PARTITIONS,
]
const EXIT = { violation: 10, interrupted: 130 } as const
/** Starting, auditing and stopping a cluster, once per story. */
const OVERHEAD_SECONDS = 8

const OPTIONS = {
  minutes: { type: 'string', default: '2' },
  story: { type: 'string', multiple: true },
  seed: { type: 'string', default: '1' },
  json: { type: 'boolean', default: false },
} as const

const USAGE = `npm run test:chaos -- [--minutes N] [--story NAME]… [--seed S] [--json]
stories: ${STORIES.map(({ name }) => name).join(', ')}`

async function main(args: readonly string[]): Promise<number> {
  if (args[0] === 'client') {
    await runClientProcess(JSON.parse(args[1] ?? '') as ClientPlan)
    return 0
  }
  const values = optionsOf(USAGE, OPTIONS, args)
  const stories = STORIES.filter(({ name }) => values.story?.includes(name) ?? true)
  const minutes = Number(values.minutes)
  const seed = Number(values.seed)
  if (stories.length < (values.story?.length ?? 1) || !(minutes > 0) || !Number.isSafeInteger(seed))
    refuse(USAGE, '--minutes and --seed are numbers, --story names one of the stories')
  const seconds = Math.max(1, (minutes * 60) / stories.length - OVERHEAD_SECONDS)
  const results: StoryResult[] = []
  const interruption = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => interruption.abort())
  for (const story of stories) {
    const told = tellStory(story, { seed, seconds, signal: interruption.signal })
    const result = await told.catch((error: unknown) => {
      if (interruption.signal.aborted) return null
      throw error
    })
    // What the story was waiting for may take a while yet; all that it made is gone by now.
    if (result === null) process.exit(EXIT.interrupted)
    results.push(result)
    ;(values.json ? process.stderr : process.stdout).write(`${line(result)}\n`)
  }
  if (values.json) process.stdout.write(`${JSON.stringify({ seed, stories: results }, null, 2)}\n`)
  return results.some(({ verdict }) => verdict === 'violation') ? EXIT.violation : 0
}

function line(result: StoryResult): string {
  const { story, verdict, reason, faults, kills, ackedWrites, longestGapMs, note, seconds } = result
  const head = `${story.padEnd(20)} ${verdict === 'skipped' ? `skipped: ${reason}` : verdict.padEnd(9)}`
  if (verdict === 'skipped') return head
  const figures = [
    `${faults} faults and ${kills} kills survived`,
    `${ackedWrites} acked writes checked`,
    `longest gap ${longestGapMs === null ? 'unknown' : `${longestGapMs} ms`}`,
    `${seconds} s`,
  ]
  const more = [note, reason].filter((text) => text !== null)
  return [`${head} ${figures.join(', ')}`, ...more].join('\n  ')
}

process.exitCode = await main(process.argv.slice(2))
