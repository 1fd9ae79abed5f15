/** Shows `bench compare`, `keys sign` and `keys verify`, and `.record` on real files. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { writeKeyFiles } from '../../src/crypto/key-files.js'
import { generateKeyPair } from '../../src/crypto/keys.js'
import { compareReports } from '../../src/terminal/bench/compare.js'
import { signContent, verifyContent, writeSignature } from '../../src/terminal/file-signature.js'
import { Recorder } from '../../src/terminal/repl/recorder.js'

let base: string
const at = (name: string) => join(base, name)

beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'knhk-files-'))
})
afterEach(() => rm(base, { recursive: true, force: true }))

describe('bench compare', () => {
  const report = (change: object = {}, latency: object = {}) => ({
    opsPerSecond: 1000,
    latencyMs: { p50: 1, p90: 2, p99: 4, max: 10, ...latency },
    errors: 0,
    clients: 1,
    pipeline: 1,
    batch: 1,
    valueSize: 128,
    readShare: 0,
    rate: null,
    ...change,
  })
  const compare = async (a: object, b: object, tolerance = 0.1) => {
    await writeFile(at('a.json'), JSON.stringify(a))
    await writeFile(at('b.json'), JSON.stringify(b))
    return compareReports(at('a.json'), at('b.json'), tolerance)
  }
  const worse = async (b: object, tolerance = 0.1) =>
    (await compare(report(), b, tolerance)).figures.filter((figure) => figure.worse).map((figure) => figure.name)

  it('finds what became worse, in the direction that is worse', async () => {
    expect(await worse(report())).toEqual([])
    expect(await worse(report({ opsPerSecond: 2000 }, { p50: 0.5 }))).toEqual([])
    expect(await worse(report({ opsPerSecond: 899 }))).toEqual(['opsPerSecond'])
    expect(await worse(report({}, { p99: 4.5 }))).toEqual(['p99'])
    expect(await worse(report({}, { p99: 4.5 }), 0.2)).toEqual([])
    expect(await worse(report({ errors: 1 }))).toEqual(['errors'])
    expect(await worse(report({}, { max: 1000 }))).toEqual([])
  })

  it('compares only what was measured under the same load', async () => {
    await expect(compare(report(), report({ clients: 2 }))).rejects.toMatchObject({ code: 'InvalidArgument' })
    await expect(compare(report(), { opsPerSecond: 'x' })).rejects.toMatchObject({ code: 'InvalidArgument' })
    await expect(compare(report(), report({}, { p50: 'x' }))).rejects.toMatchObject({ code: 'InvalidFile' })
  })
})

describe('signatures of files', () => {
  it('hold for the file and the key, and for no other', async () => {
    const pair = await generateKeyPair()
    const other = await generateKeyPair()
    await writeKeyFiles(at('alice'), pair)
    await writeKeyFiles(at('bob'), other)
    await writeFile(at('plan'), 'remove n3')
    const signature = await signContent(at('plan'), at('alice.key'), true)
    await writeSignature(at('plan.sig'), signature)
    const check = async (key: string) => (await verifyContent(at('plan'), at(key), at('plan.sig'), true)).ok
    expect(await check('alice.pub')).toBe(true)
    expect(await check('bob.pub')).toBe(false)
    await writeFile(at('plan'), 'remove n2')
    expect(await check('alice.pub')).toBe(false)
    await expect(writeSignature(at('plan.sig'), signature)).rejects.toMatchObject({ code: 'Refused' })
    await expect(signContent('-', at('alice'), false)).rejects.toMatchObject({ code: 'Usage' })
  })
})

describe('a recording', () => {
  it('holds what worked, what failed as a comment, and never overwrites', async () => {
    const recorder = await Recorder.start(at('script'))
    await recorder.add('kv put a {"b":\n1}', null)
    await recorder.add('kv get\nnope', 'KeyNotFound')
    await recorder.stop()
    const lines = (await readFile(at('script'), 'utf8')).split('\n').slice(1)
    expect(lines).toEqual(['kv put a {"b":', '1}', '# [KeyNotFound] kv get', '# nope', ''])
    await expect(Recorder.start(at('script'))).rejects.toMatchObject({ code: 'Refused' })
  })
})
