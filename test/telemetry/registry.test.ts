/**
 * The registry is what Weaver's published format allows, key by key; its check finds each kind of
 * mistake; and the names in the code are those of the registry.
 */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { checkRegistry, type RegistryReport } from '../../src/telemetry/registry/check.js'
import { describeRegistry } from '../../src/telemetry/registry/describe.js'
import { loadRegistry } from '../../src/telemetry/registry/load.js'

const REGISTRY = fileURLToPath(new URL('../../registry', import.meta.url))
const GENERATOR = fileURLToPath(new URL('../tools/generate-telemetry.mjs', import.meta.url))
const NAMES = fileURLToPath(new URL('../../src/telemetry/names.ts', import.meta.url))

const CORE_SPANS = [
  'consensus.propose',
  'consensus.raft.election',
  'consensus.raft.replicate',
  'consensus.raft.snapshot',
  'consensus.bft.consensus',
  'consensus.hybrid.threat_detection',
  'consensus.replication.apply',
  'consensus.replication.snapshot',
]
const CORE_METRICS = {
  'consensus.proposals.total': ['counter', '{proposal}'],
  'consensus.latency': ['histogram', 'ms'],
  'consensus.throughput': ['gauge', '{operation}/s'],
  'consensus.raft.elections.total': ['counter', '{election}'],
  'consensus.bft.byzantine_failures.total': ['counter', '{failure}'],
  'consensus.hybrid.protocol_switches.total': ['counter', '{switch}'],
}

describe('the registry of this program', () => {
  it('is sound', async () => {
    expect(checkRegistry(await loadRegistry(REGISTRY)).problems).toEqual([])
  })

  it('holds the spans and metrics that the design names, with their instruments and units', async () => {
    const entries = describeRegistry(await loadRegistry(REGISTRY))
    const spans = entries.filter(({ kind }) => kind === 'span').map(({ name }) => name)
    expect(spans.sort()).toEqual([...CORE_SPANS].sort())
    for (const [name, [type, unit]] of Object.entries(CORE_METRICS)) {
      expect(entries).toContainEqual(expect.objectContaining({ kind: 'metric', name, type, unit }))
    }
  })

  it('is what the code was generated from', async () => {
    const { stdout } = await execa(process.execPath, [GENERATOR, '--print'], { stripFinalNewline: false })
    expect(await readFile(NAMES, 'utf8'), 'run npm run generate:telemetry').toBe(stdout)
  })

  it('declares every attribute that it carries somewhere, or sets on the resource', async () => {
    const entries = describeRegistry(await loadRegistry(REGISTRY))
    const carried = new Set(entries.filter(({ kind }) => kind !== 'attribute').flatMap(({ values }) => values))
    const declared = entries.filter(({ kind }) => kind === 'attribute').map(({ name }) => name)
    const resource = declared.filter((name) => !name.startsWith('consensus.'))
    expect(declared.filter((name) => !carried.has(name))).toEqual(resource)
  })
})

describe('the check', () => {
  let directory = ''

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'knhk-registry-'))
    await cp(REGISTRY, directory, { recursive: true })
  })
  afterEach(() => rm(directory, { recursive: true, force: true }))

  async function broken(from: string, to: string, file = 'consensus-telemetry.yaml'): Promise<RegistryReport> {
    const path = join(directory, file)
    const text = await readFile(path, 'utf8')
    expect(text).toContain(from)
    await writeFile(path, text.replace(from, to))
    return checkRegistry(await loadRegistry(directory))
  }

  it.each([
    [
      'an unknown key of a group',
      '    span_kind: internal',
      '    span_kind: internal\n    span_name: x',
      /span_name is no key/,
    ],
    ['a span without its kind', '    span_kind: internal\n', '', /span_kind is missing/],
    [
      'a missing stability',
      '    span_kind: internal\n    stability: development',
      '    span_kind: internal',
      /stability is missing/,
    ],
    ['a word that is none', 'instrument: gauge', 'instrument: dial', /none of counter, gauge/],
    [
      'a level that is none',
      'requirement_level: required',
      'requirement_level: optional',
      /requirement_level "optional"/,
    ],
    [
      'a reference to nothing',
      '- ref: consensus.outcome',
      '- ref: consensus.outcomes',
      /consensus\.outcomes is declared nowhere/,
    ],
    [
      'a second declaration',
      '- id: consensus.peer_id',
      '- id: consensus.node_id',
      /twice in this group|declared before/,
    ],
    [
      'a namespace that is an attribute',
      '- id: consensus.peer_id',
      '- id: consensus.view.peer_id',
      /consensus\.view is an attribute/,
    ],
    ['a text without examples', '        examples: ["n1", "dc2-a"]\n', '', /needs examples/],
    ['an example of another type', 'examples: [0, 3]', 'examples: ["0"]', /is no int/],
    ['a member without its value', '              value: "raft"\n', '', /value is missing/],
    ['a name in capitals', '- id: consensus.peer_id', '- id: consensus.peerId', /no attribute name/],
    ['a key twice', '    type: metric', '    type: metric\n    type: metric', /unique/i],
    ['another root key', 'groups:', 'spans: []\ngroups:', /spans is no key/],
  ])('finds %s', async (_what, from, to, message) => {
    const { ok, problems } = await broken(from, to)
    expect(ok).toBe(false)
    expect(problems.map((one) => `${one.place} ${one.message}`).join('\n')).toMatch(message)
  })

  it('finds a manifest that is gone, has no version or an unknown key', async () => {
    expect((await broken('/0.1.0', '', 'manifest.yaml')).ok).toBe(true)
    expect(
      (await broken('schema_url: https://github.com/seanchatmangpt/knhk/registry', 'schema_url: knhk', 'manifest.yaml'))
        .problems,
    ).toHaveLength(1)
    expect((await broken('stability:', 'semconv_version: 1.0.0\nstability:', 'manifest.yaml')).problems).toHaveLength(2)
    await rm(join(directory, 'manifest.yaml'))
    expect(checkRegistry(await loadRegistry(directory)).problems[0]?.message).toBe('there is no manifest')
  })

  it('reads every file of the directory', async () => {
    const groups = {
      groups: [
        {
          id: 'x.y',
          type: 'metric',
          brief: 'b',
          stability: 'development',
          metric_name: 'consensus.latency',
          instrument: 'gauge',
          unit: '1',
        },
      ],
    }
    await writeFile(join(directory, 'more.yaml'), JSON.stringify(groups))
    const { problems } = checkRegistry(await loadRegistry(directory))
    expect(problems).toEqual([
      { file: 'more.yaml', place: 'x.y', message: 'another metric has the name consensus.latency' },
    ])
    expect(parse(await readFile(join(directory, 'more.yaml'), 'utf8'))).toEqual(groups)
  })
})
