/**
 * Shows receipts and evidence of real processes: what `receipt get` prints is the file, it holds with a copy
 * of the cluster file alone and no longer once a byte is changed; a member that lied is listed, exported
 * and convicted offline; logs of honest members need no culprit, and a changed log convicts nobody.
 */
import { copyFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { Adversary } from './adversary.js'
import { eventually, World } from './harness.js'

const TIMEOUT_MS = 240_000

interface Accusation {
  readonly id: string
  readonly culprit: string
  readonly kind: string
  readonly ordered: boolean
}

let world: World

beforeEach(async () => {
  world = await World.make({ quick: true })
  world.env.KNHK_DIR = world.dir
})
afterEach(() => world.remove())

/** Another machine: it has the cluster file and nothing else. */
async function offline(args: readonly string[], clusterFile: string) {
  const { KNHK_DIR: _, ...env } = world.env
  Object.assign(world.env, { KNHK_DIR: join(world.base, 'nowhere') })
  const ran = await world.run([...args, '--cluster', clusterFile, '--json'])
  Object.assign(world.env, env, { KNHK_DIR: world.dir })
  return { exitCode: ran.exitCode, report: JSON.parse(ran.stdout) as Record<string, unknown> }
}

it.each(['raft', 'pbft', 'hotstuff'] as const)(
  '%s: a receipt holds offline, and with a changed byte no more',
  async (protocol) => {
    await world.up(protocol, protocol === 'raft' ? 3 : 4)
    const clusterFile = join(world.base, 'copy.yaml')
    await copyFile(join(world.dir, 'cluster.yaml'), clusterFile)
    const { index } = await world.json<{ index: number }>(['kv', 'put', 'colour', 'blue'])
    const file = join(world.base, 'a.receipt')
    await world.json(['receipt', 'get', `${index}:0`, '--out', file])
    const text = await readFile(file, 'utf8')
    const printed = await world.run(['receipt', 'get', String(index), '--json'])
    expect(JSON.parse(printed.stdout)).toMatchObject({ format: 'knhk-receipt/1', index, claimsResult: true })
    expect((await world.run(['receipt', 'get', String(index), '--out', file])).exitCode).toBe(8)

    const { exitCode, report } = await offline(['receipt', 'verify', file], clusterFile)
    expect(exitCode).toBe(0)
    expect(report).toMatchObject({
      ok: true,
      proven: { index, protocol, operations: [{ position: 0, result: { ok: true, data: { key: 'colour' } } }] },
    })
    const changed = join(world.base, 'changed.receipt')
    for (const at of [10, 120, Math.floor(text.length / 2), text.length - 20]) {
      await writeFile(changed, `${text.slice(0, at)}${text[at] === 'A' ? 'B' : 'A'}${text.slice(at + 1)}`)
      expect((await offline(['receipt', 'verify', changed], clusterFile)).exitCode).toBe(10)
    }
    const ran = await world.run(['forensics', 'n1', 'n2', '--json'])
    expect([ran.exitCode, JSON.parse(ran.stdout).verdict]).toEqual([0, 'agree'])
    expect((await world.run(['receipt', 'get', '99999', '--json'])).exitCode).toBe(4)
  },
  TIMEOUT_MS,
)

it(
  'a member that signed two things for one slot is listed, exported and convicted offline',
  async () => {
    await world.up('pbft', 4)
    await world.json(['kv', 'put', 'before', '0'])
    await world.json(['node', 'stop', '--node', 'n1'])
    const adversary = new Adversary(world, 'n1', 'equivocate')
    try {
      let found: readonly Accusation[] = []
      for (let i = 0; i < 5; i++) await world.json(['kv', 'put', `k${i}`, 'v', '--timeout', '40s'])
      await eventually('the liar is listed', async () => {
        found = await world.json<readonly Accusation[]>(['evidence', 'list'])
        return found.length > 0
      })
      expect(found.every(({ culprit, kind }) => culprit === 'n1' && kind === 'equivocation')).toBe(true)
      const file = join(world.base, 'n1-lied.json')
      const { id } = found[0] as Accusation
      await world.json(['evidence', 'export', id.slice(0, 16), '--out', file])
      const verified = await offline(['evidence', 'verify', file], join(world.dir, 'cluster.yaml'))
      expect(verified).toMatchObject({ exitCode: 0, report: { ok: true, culprit: 'n1', id } })
      const text = await readFile(file, 'utf8')
      await writeFile(file, text.replaceAll('n1', 'n2'))
      expect(await offline(['evidence', 'verify', file], join(world.dir, 'cluster.yaml'))).toMatchObject({
        exitCode: 10,
        report: { ok: false, culprit: null },
      })
    } finally {
      await adversary.stop()
    }
  },
  TIMEOUT_MS,
)
