/**
 * Shows `keys rotate` on a real cluster: a client goes on under a new key and the old one opens nothing, an
 * interrupted run is ended by the next, an admin helps a client that lost its key, a member changes its key together
 * with its name, and all of it survives a restart.
 */
import { copyFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { exists } from '../../src/cluster/files.js'
import type { World } from '../e2e/harness.js'
import { CheckedCommands } from './checked-commands.js'

const EXTENSIONS = ['key', 'pub', 'crt'] as const

let world: World
let commands: CheckedCommands
/** Of the admin, without extension. */
let admin: string
const json = (id: string, ...args: string[]) => commands.json(id, ...args)
const code = (...words: string[]) => commands.code(...words)

beforeAll(async () => {
  commands = await CheckedCommands.make()
  ;({ world } = commands)
  await world.up()
  admin = join(world.dir, 'clients', 'admin')
})
afterAll(() => world.remove())

async function publicKeyOf(path: string): Promise<unknown> {
  return (await json('keys show', path)).publicKey
}

async function move(from: string, to: string, extensions: readonly string[] = EXTENSIONS): Promise<void> {
  for (const extension of extensions) await rename(`${from}.${extension}`, `${to}.${extension}`)
}

it('looks first, and not without a confirmation', async () => {
  const before = await publicKeyOf(admin)
  expect(await json('keys rotate', '--dry-run')).toMatchObject({
    client: 'admin',
    role: 'admin',
    changed: false,
    dryRun: true,
    publicKey: null,
    previousPublicKey: before,
  })
  expect(await code('keys', 'rotate')).toEqual([2, 'Usage'])
  expect(await code('keys', 'rotate', '--client', 'admin', '--yes')).toEqual([2, 'Usage'])
  expect(await code('keys', 'rotate', '--public-key', before as string, '--yes')).toEqual([2, 'Usage'])
  expect(await publicKeyOf(admin)).toBe(before)
})

it('a client goes on under its new key, and the old one opens nothing', async () => {
  const before = await publicKeyOf(admin)
  const rotated = await json('keys rotate', '--yes')
  expect(rotated).toMatchObject({ client: 'admin', changed: true, previousPublicKey: before, identity: before })
  expect(rotated.publicKey).not.toBe(before)
  expect(await publicKeyOf(admin)).toBe(rotated.publicKey)
  await json('kv put', 'after', 'rotation')
  expect(await code('kv', 'put', 'with', 'the old key', '--key', `${admin}.old`)).toEqual([8, 'UnknownKey'])
  const { clients } = await json('cluster clients list')
  expect(clients).toEqual([{ id: 'admin', role: 'admin', publicKey: rotated.publicKey, identity: before }])
})

it('what an interrupted run began, the next one ends', async () => {
  const current = await publicKeyOf(admin)
  // Its order stood, its files had not changed yet.
  await move(admin, `${admin}.next`)
  for (const extension of EXTENSIONS) await copyFile(`${admin}.old.${extension}`, `${admin}.${extension}`)
  expect(await json('keys rotate', '--yes')).toMatchObject({ publicKey: current, index: null, changed: true })
  // It had changed one file of three.
  await move(admin, `${admin}.next`, ['pub', 'crt'])
  for (const extension of ['pub', 'crt']) await copyFile(`${admin}.old.${extension}`, `${admin}.${extension}`)
  expect(await json('keys rotate', '--yes')).toMatchObject({ publicKey: current, index: null })
  expect(await publicKeyOf(admin)).toBe(current)
  // It had not finished writing the new key: nobody has seen that.
  await writeFile(`${admin}.next.key`, 'half a k')
  const rotated = await json('keys rotate', '--yes')
  expect(rotated).toMatchObject({ previousPublicKey: current, index: expect.any(Number) })
  // It had written the new key and not ordered it.
  await json('keys gen', '--out', `${admin}.next`)
  const made = await publicKeyOf(`${admin}.next`)
  expect(await json('keys rotate', '--yes')).toMatchObject({ publicKey: made, previousPublicKey: rotated.publicKey })
  expect(await exists(`${admin}.next.key`)).toBe(false)
  await json('kv put', 'after', 'interruptions')
})

it('an admin gives a new key to a client that lost its own, and nobody else does', async () => {
  const ben = join(world.base, 'ben')
  const next = join(world.base, 'ben-2')
  for (const path of [ben, next]) await json('keys gen', '--out', path)
  await json('cluster clients add', 'ben', '--public-key', `${ben}.pub`, '--role', 'writer')
  await json('kv put', 'from', 'ben', '--key', ben)
  const lost = ['keys', 'rotate', '--client', 'admin', '--public-key', `${next}.pub`, '--key', ben, '--yes']
  expect(await code(...lost)).toEqual([8, 'NotPermitted'])
  const own = await publicKeyOf(admin)
  const taken = ['keys', 'rotate', '--client', 'ben', '--public-key', `${admin}.pub`, '--yes']
  expect(await code(...taken)).toEqual([9, 'ClientExists'])
  const order = ['--client', 'ben', '--public-key', `${next}.pub`, '--yes']
  expect(await json('keys rotate', ...order)).toMatchObject({
    client: 'ben',
    role: 'writer',
    changed: true,
    keyFile: null,
  })
  expect(await json('keys rotate', ...order)).toMatchObject({ client: 'ben', changed: false })
  expect(await code('kv', 'put', 'from', 'ben', '--key', ben)).toEqual([8, 'UnknownKey'])
  await json('kv put', 'from', 'ben', '--key', next)
  expect(await publicKeyOf(admin)).toBe(own)
  const none = ['keys', 'rotate', '--client', 'nobody', '--public-key', `${ben}.pub`, '--yes']
  expect(await code(...none)).toEqual([4, 'NotFound'])
})

it('a member changes its key together with its name, and the keys of clients survive a restart', async () => {
  expect(await json('keys rotate', '--node', 'n3', '--dry-run')).toMatchObject({ changed: false, dryRun: true })
  const changed = await json('keys rotate', '--node', 'n3', '--yes')
  expect(changed).toMatchObject({ voters: ['n1', 'n2', 'n3-2'], removed: [{ id: 'n3' }] })
  await world.json(['down'])
  await world.up()
  await json('kv put', 'after', 'restart')
  const { clients } = (await json('cluster clients list')) as { clients: { id: string }[] }
  expect(clients.map(({ id }) => id).sort()).toEqual(['admin', 'ben'])
})
