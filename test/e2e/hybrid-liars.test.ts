/**
 * Shows what a liar with a member's key costs a hybrid cluster of four real processes under load: bad signatures
 * climb the levels exactly as the table says and switch it at High; a leader with two histories is convicted and
 * switches it at once, and once it is replaced and the threat cleared, the cluster goes back to Raft. Clients lose
 * nothing and see nothing, receipts and evidence verify without the cluster.
 */
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { HistoryOperation } from '../../src/simulator/history.js'
import { judgeHistory } from '../chaos/verdict.js'
import { eventually, type LogLine } from './harness.js'
import { HybridWorld } from './hybrid-world.js'
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

/** Raft is not to be had yet: exit code 8, with the reason. */
async function expectRefusal(reason: RegExp): Promise<void> {
  const refused = await hybrid.world.run(['cluster', 'mode', 'set', 'raft', '--yes', '--json'])
  expect(refused.exitCode).toBe(8)
  const { error } = JSON.parse(refused.stdout) as { error: { code: string; message: string } }
  expect(error.code).toBe('ModeRefused')
  expect(error.message).toMatch(reason)
}

const numbers = (values: readonly unknown[]): string => (values.length === 0 ? 'none' : values.join(', '))

it(
  'bad signatures climb None, Low, Medium, High as counted, and High switches to PBFT',
  async () => {
    expect(await hybrid.put('none')).toMatchObject({ mode: 'raft', epoch: 0, assurance: 'fast' })
    expect(await hybrid.threat()).toMatchObject({ level: 'none', causes: [] })
    await hybrid.world.endNode(LIAR, 'SIGTERM')
    // Each time so many more, over another connection: 2, 5 and 6 in all.
    const steps = [
      [2, 'low', 'raft'],
      [3, 'medium', 'raft'],
      [1, 'high', 'pbft'],
    ] as const
    for (const [more, level, mode] of steps) {
      await hybrid.startAdversary(LIAR, 'bad-signatures', '--count', String(more))
      await hybrid.adversarySaid(`${more} lies told`)
      await eventually(`the level is ${level}`, async () => (await hybrid.threat()).level === level)
      await hybrid.stopAdversary()
      await eventually(`the mode is ${mode}`, async () => (await hybrid.mode()).mode === mode)
      expect(await hybrid.put(level)).toMatchObject({ mode, epoch: mode === 'raft' ? 0 : 1, assurance: 'certified' })
    }
    await hybrid.startAdversary(LIAR, 'bad-signatures')
    await eventually('more than ten are critical', async () => (await hybrid.threat()).level === 'critical')
    await expectRefusal(/the threat level is critical/)
    await goesOn()
    await hybrid.stopAdversary()
    expectWhole(await load.stop())
    for (const node of HONEST) {
      const lines = await hybrid.logged('the threat level changed', [node])
      expect(lines.slice(0, 3).map(({ level, against }) => [level, against])).toEqual([
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
  'a leader with two histories is convicted, the cluster switches, and is back when the liar is replaced',
  async () => {
    const before = await hybrid.put('before')
    await hybrid.world.endNode(LIAR, 'SIGTERM')
    await hybrid.startAdversary(LIAR, 'equivocate', '--as', 'leader')
    await eventually('the liar leads', async () => {
      const { leader, mode } = await hybrid.mode()
      if (leader === LIAR || mode !== 'raft') return true
      if (leader === null) return false
      await hybrid.world.endNode(leader, 'SIGKILL')
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

    const evidence = await hybrid.json<{ id: string; culprit: string; kind: string }[]>('evidence', 'list')
    expect(new Set(evidence.map(({ culprit }) => culprit))).toEqual(new Set([LIAR]))
    const [piece] = evidence
    const file = join(hybrid.world.base, 'evidence.json')
    await hybrid.json('evidence', 'export', piece?.id ?? '', '--out', file)
    await hybrid.adversarySaid('the first lie: equivocate')
    await hybrid.stopAdversary()

    // The way back: evidence counts until its culprit is gone, or has another key, and it was cleared.
    await expectRefusal(new RegExp(LIAR))
    await hybrid.json('cluster', 'members', 'replace', LIAR, '--as', 'n5', '--yes', '--timeout', '60')
    await hybrid.json('cluster', 'threat', 'clear', LIAR, '--yes')
    await hybrid.json('cluster', 'mode', 'set', 'raft', '--yes', '--timeout', '60')
    expect(await hybrid.threat()).toMatchObject({ level: 'none' })
    const back = await hybrid.put('back')
    expect(back.mode).toBe('raft')
    await goesOn()
    expectWhole(await load.stop())

    const clusterFile = join(hybrid.world.dir, 'cluster.yaml')
    for (const { index } of [before, after, back]) await expectReceipt(index)
    await hybrid.world.run(['down'])
    const verified = await hybrid.world.run(['evidence', 'verify', file, '--cluster', clusterFile, '--json'])
    expect(verified.exitCode).toBe(0)
    expect(JSON.parse(verified.stdout)).toMatchObject({ ok: true, culprit: LIAR })

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

it(
  'who withholds or forges what ends an epoch keeps nobody from the next one, and none of it is lost',
  async () => {
    const keys: string[] = []
    const write = async (mode: string, key: string) => {
      keys.push(key)
      expect(await hybrid.put(key)).toMatchObject({ mode })
    }
    for (const lie of ['withhold', 'forge']) {
      await hybrid.world.endNode(LIAR, 'SIGTERM')
      await hybrid.startAdversary(LIAR, lie)
      await write('raft', `${lie}, before`)
      await hybrid.json('cluster', 'mode', 'set', 'bft', '--yes', '--timeout', '60')
      await write('pbft', `${lie}, after`)
      await hybrid.adversarySaid(`the first lie: ${lie}`)
      await hybrid.stopAdversary()
      await hybrid.world.up('hybrid', 4)
      await hybrid.json('cluster', 'threat', 'clear', '--yes')
      await hybrid.json('cluster', 'mode', 'set', 'raft', '--yes', '--timeout', '60')
    }
    expectWhole(await load.stop())
    for (const key of keys) expect(await hybrid.json('kv', 'get', key)).toMatchObject({ value: `value of ${key}` })
    await hybrid.json('wait', '--for', 'converged', '--timeout', '60')
  },
  TIMEOUT_MS,
)
