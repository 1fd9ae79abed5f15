/**
 * What durability means, shown with real processes: kill -9 of the leader, and of all nodes at once,
 * loses nothing that was acknowledged and runs nothing twice.
 */
import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ClusterStatus } from '../../src/client/api.js'
import { encodeOperation } from '../../src/workflow/operation-codec.js'
import { eventually, World } from './harness.js'
import { get, kvPut } from './kv.js'

/** Reads at a time. */
const LANES = 16

let world: World
beforeEach(async () => {
  world = await World.make({ quick: true })
})
afterEach(async () => {
  await world.remove()
})

const caseLine = (caseId: string) =>
  JSON.stringify({
    type: 'CreateCase',
    caseId,
    specId: '00000000-0000-4000-8000-000000000001',
    data: { order: caseId },
  })

/** All nodes reachable at one compared index with one digest. */
function converged(status: ClusterStatus): boolean {
  const [first] = status.nodes
  return (
    first !== undefined &&
    first.stateDigest !== null &&
    status.nodes.every(
      (node) =>
        node.reachable &&
        node.digestIndex === first.digestIndex &&
        node.stateDigest === first.stateDigest &&
        node.appliedIndex === first.appliedIndex &&
        node.digestIndex === node.appliedIndex,
    )
  )
}

/** Looks at all of them, some at a time: one after the other takes as long as all their round trips. */
async function eachOf<T>(items: readonly T[], look: (item: T) => Promise<void>): Promise<void> {
  const left = [...items]
  const lane = async (): Promise<void> => {
    for (let item = left.pop(); item !== undefined; item = left.pop()) await look(item)
  }
  await Promise.all(Array.from({ length: LANES }, lane))
}

describe('kill -9', () => {
  it('of the leader in the middle of 1,000 cases: each acknowledged case is there once, everywhere', async () => {
    const { nodes } = await world.up()
    const ids = Array.from({ length: 1000 }, () => randomUUID())
    const { leader: id } = await world.json<ClusterStatus>(['status', '--dir', world.dir])
    const leader = nodes.find((node) => node.id === id)
    if (leader === undefined) throw new Error('nobody leads')
    const propose = world.start(
      ['propose', '--dir', world.dir, '--file', '-', '--output', 'ndjson', '--timeout', '60'],
      {
        input: ids.map((id) => `${caseLine(id)}\n`).join(''),
      },
    )
    // At the first answer that is seen: a moment later all of them may be there.
    let killed = 0
    propose.stdout?.on('data', (chunk: Buffer) => {
      if (killed > 0) return
      killed = chunk.toString().split('\n').length - 1
      if (killed > 0) process.kill(leader.pid, 'SIGKILL')
    })
    const { stdout, exitCode } = await propose
    const lines = stdout
      .split('\n')
      .map((line) => JSON.parse(line) as { line: number; ok: boolean; error?: { code: string } })
    expect(lines).toHaveLength(1000)
    // A case that was created twice would show as CaseExists; a lost one as missing below.
    const acknowledged = lines.filter((line) => line.ok)
    const unknown = lines.filter((line) => !line.ok && line.error?.code === 'OutcomeUnknown')
    expect(lines.filter((line) => !line.ok && line.error?.code !== 'OutcomeUnknown')).toEqual([])
    expect(exitCode).toBe(unknown.length > 0 ? 6 : 0)
    // The kill came while lines were still under way.
    expect(killed).toBeGreaterThan(0)
    expect(killed).toBeLessThan(1000)

    const client = await world.client()
    try {
      await eachOf(acknowledged, async ({ line }) => {
        const id = ids[line - 1] as string
        const history = (await client.query('case.history', { caseId: id })).value as { events: unknown[] }
        expect(history.events).toHaveLength(1)
      })
      expect(await world.run(['kv', 'put', 'after', 'the crash', '--dir', world.dir])).toMatchObject({ exitCode: 0 })
    } finally {
      await client.close()
    }
    await world.up()
    const waited = await world.run(['wait', '--for', 'converged', '--dir', world.dir, '--timeout', '60'])
    expect(waited).toMatchObject({ exitCode: 0 })
    const after = await eventually('all nodes agree', async () => {
      const status = await world.json<ClusterStatus>(['status', '--dir', world.dir])
      return converged(status) ? status : null
    })
    expect(new Set(after.nodes.map((node) => node.stateDigest)).size).toBe(1)
  }, 180_000)

  it('of all three nodes at once under load: nothing acknowledged is lost', async () => {
    const { nodes } = await world.up()
    const client = await world.client()
    const acknowledged = new Map<string, string>()
    let failed = false
    const session = await client.openRawSession()
    let serial = 0
    const issue = () => {
      const key = `k${serial++}`
      const value = `v${Math.random()}`
      session.submitEncoded([encodeOperation(kvPut(key, value))], 5000, (_, results) => {
        if (results?.[0]?.outcome.ok === true) acknowledged.set(key, value)
        else failed = true
        if (!failed) issue()
      })
    }
    for (let i = 0; i < 64; i++) issue()
    await eventually('some thousand writes are acknowledged', async () => acknowledged.size > 3000)
    for (const node of nodes) process.kill(node.pid, 'SIGKILL')
    await eventually('the load has stopped', async () => failed, 30_000)
    await client.close()

    await world.up()
    const reader = await world.client()
    try {
      await eachOf([...acknowledged], async ([key, value]) => expect(await get(reader, key)).toBe(value))
    } finally {
      await reader.close()
    }
    const status = await eventually('all nodes agree', async () => {
      const found = await world.json<ClusterStatus>(['status', '--dir', world.dir])
      return converged(found) ? found : null
    })
    expect(status.leader).not.toBeNull()
  }, 180_000)
})
