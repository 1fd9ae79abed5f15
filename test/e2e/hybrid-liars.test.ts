/**
 * Shows what a liar with a member's key costs a hybrid cluster of four real processes under load: bad signatures
 * climb the levels exactly as the table says and switch it at High; a leader with two histories is convicted and
 * switches it at once. Clients lose nothing and see nothing, receipts and evidence verify without the cluster.
 */
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { HistoryOperation } from '../../src/simulator/history.js'
import { judgeHistory } from '../chaos/verdict.js'
import { eventually } from './harness.js'
import { HybridWorld, type LogLine } from './hybrid-world.js'
import { Load } from './load.js'

const TIMEOUT_MS = 180_000
const LIAR = 'n4'
const HONEST = ['n1', 'n2', 'n3']

let hybrid: HybridWorld
let load: Load
beforeEach(async () => {
  hybrid = await HybridWorld.make()
  load = await Load.start(hybrid.world)
})
afterEach(() => hybrid.remove())

async function goesOn(): Promise<void> {
  load.nextPhase()
  const before = load.acknowledged
  await eventually('writes go on', async () => load.acknowledged > before + 20)
}

function expectWhole(history: readonly HistoryOperation[]): void {
  // What was refused on the way was retryable: the clients tried again, and came through.
  expect(history.filter(({ outcome }) => outcome !== 'ok')).toEqual([])
  expect(history.length).toBeGreaterThan(200)
  judgeHistory(history)
}

/** Of a write: proven to whoever has the cluster file. */
async function expectReceipt(index: number): Promise<void> {
  const { dir, base } = hybrid.world
  const file = join(base, `receipt-${index}.json`)
  await hybrid.json('receipt', 'get', String(index), '--out', file)
  const verified = await hybrid.world.run(['receipt', 'verify', file, '--cluster', join(dir, 'cluster.yaml')])
  expect(verified).toMatchObject({ exitCode: 0 })
}

const numbers = (values: readonly unknown[]): string => (values.length === 0 ? 'none' : values.join(', '))

it(
  'bad signatures climb None, Low, Medium, High as counted, and High switches to PBFT',
  async () => {
    expect(await hybrid.put('none')).toMatchObject({ mode: 'raft', epoch: 0, assurance: 'fast' })
    expect(await hybrid.threat()).toMatchObject({ level: 'none', causes: [] })
    await hybrid.stop(LIAR)
    // Each time so many more, over another connection: 2, 5 and 6 in all.
    const steps = [
      [2, 'low', 'raft'],
      [3, 'medium', 'raft'],
      [1, 'high', 'pbft'],
    ] as const
    for (const [more, level, mode] of steps) {
      await hybrid.startAdversary(LIAR, 'bad-signatures', '--count', String(more))
      await eventually(`the level is ${level}`, async () => (await hybrid.threat()).level === level)
      expect(await hybrid.stopAdversary()).toContain(`${more} lies told`)
      await eventually(`the mode is ${mode}`, async () => (await hybrid.mode()).mode === mode)
      expect(await hybrid.put(level)).toMatchObject({ mode, epoch: mode === 'raft' ? 0 : 1, assurance: 'certified' })
    }
    await goesOn()
    expectWhole(await load.stop())
    for (const node of HONEST) {
      const lines = await hybrid.logged('the threat level changed', [node])
      expect(lines.map(({ level, against }) => [level, against])).toEqual([
        ['low', `${LIAR}:low`],
        ['medium', `${LIAR}:medium`],
        ['high', `${LIAR}:high`],
      ])
    }
    const first = await hybrid.logged('the first decision of the epoch', HONEST)
    process.stdout.write(`PANIC to the first decision of PBFT, ms: ${numbers(first.map(({ tookMs }) => tookMs))}\n`)
    expect(first.length).toBeGreaterThanOrEqual(3)
  },
  TIMEOUT_MS,
)

it(
  'a leader with two histories is convicted, and the cluster has switched',
  async () => {
    const before = await hybrid.put('before')
    await hybrid.stop(LIAR)
    await hybrid.startAdversary(LIAR, 'equivocate', '--as', 'leader')
    await eventually('the liar leads', async () => {
      const { leader, mode } = await hybrid.mode()
      if (leader === LIAR || mode !== 'raft') return true
      if (leader === null) return false
      await hybrid.stop(leader, 'SIGKILL')
      await hybrid.world.up('hybrid', 4)
      return false
    })
    await eventually('the cluster has switched', async () => (await hybrid.mode()).mode === 'pbft')
    const { level, causes } = await hybrid.threat()
    expect(level).toBe('critical')
    expect(causes).toContain('equivocation')
    const after = await hybrid.put('after')
    expect(after).toMatchObject({ mode: 'pbft', epoch: 1, assurance: 'certified' })
    await goesOn()
    expectWhole(await load.stop())

    const evidence = await hybrid.json<{ id: string; culprit: string; kind: string }[]>('evidence', 'list')
    expect(new Set(evidence.map(({ culprit }) => culprit))).toEqual(new Set([LIAR]))
    const [piece] = evidence
    const file = join(hybrid.world.base, 'evidence.json')
    await hybrid.json('evidence', 'export', piece?.id ?? '', '--out', file)
    const clusterFile = join(hybrid.world.dir, 'cluster.yaml')
    expect(await hybrid.stopAdversary()).toContain('the first lie: equivocate')
    await hybrid.world.run(['down'])
    const verified = await hybrid.world.run(['evidence', 'verify', file, '--cluster', clusterFile, '--json'])
    expect(verified.exitCode).toBe(0)
    expect(JSON.parse(verified.stdout)).toMatchObject({ ok: true, culprit: LIAR })
    await hybrid.world.up('hybrid', 4)
    for (const { index } of [before, after]) await expectReceipt(index)

    // The first epoch alone: afterwards it lies on.
    const inRaft = ({ epoch }: LogLine) => epoch === 0
    const detected = (await hybrid.logged('a member lied: the evidence is kept', HONEST)).filter(inRaft)
    const stored = (await hybrid.logged('the evidence is on the disk', HONEST)).filter(inRaft)
    const first = await hybrid.logged('the first decision of the epoch', HONEST)
    process.stdout.write(
      [
        `second message to evidence, ms: ${numbers(detected.map(({ detectedInMs }) => detectedInMs))}`,
        `… without the checks of its signatures: ${numbers(detected.map(({ judgedInMs }) => judgedInMs))}`,
        `evidence to disk, ms: ${numbers(stored.map(({ tookMs }) => tookMs))}`,
        `PANIC or abort to the first decision of PBFT, ms: ${numbers(first.map(({ tookMs }) => tookMs))}\n`,
      ].join('\n'),
    )
    expect(detected.length).toBeGreaterThan(0)
    expect(stored.length).toBe(detected.length)
  },
  TIMEOUT_MS,
)
