/**
 * The adversary of the end-to-end tests: replaces a stopped node of a local cluster by a real process that
 * holds its key and lies.
 *
 * node dist/test/adversary/run.js --dir DIR --node ID --lie LIE --count N --after D
 */
import { parseArgs } from 'node:util'
import { KnhkError } from '../../src/base/error.js'
import { ERROR_CODES } from '../../src/base/error-codes.js'
import { nodeFiles, runNode } from '../../src/cluster/run-node.js'
import { type NodeId, nodeId } from '../../src/consensus/types.js'
import { importPrivateKey, sign } from '../../src/crypto/keys.js'
import { sha256 } from '../../src/crypto/sha256.js'
import type { PeerLinks } from '../../src/node/ports.js'
import { realClock, realScheduler } from '../../src/node/real-ports.js'
import { Liar } from '../../src/simulator/byzantine/liar.js'
import { LiarKey } from '../../src/simulator/byzantine/liar-key.js'
import { SeededRandom } from '../../src/simulator/random.js'
import { parseDuration } from '../../src/terminal/durations.js'
import { ADVERSARY_LIES, type AdversaryLie, Campaign } from './campaign.js'
import { HybridLies } from './hybrid-lies.js'
import { LyingLinks } from './lying-links.js'

const REQUEST_TIMEOUT_MS = 2000
const LIE_EVERY_MS = 200

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      dir: { type: 'string' },
      node: { type: 'string' },
      lie: { type: 'string' },
      count: { type: 'string', default: '1000000000' },
      after: { type: 'string' },
      seed: { type: 'string', default: '1' },
    },
  })
  const { dir, node, lie, count, after, seed } = values
  if (dir === undefined || node === undefined || !isLie(lie)) {
    throw new KnhkError(
      'Usage',
      `usage: run.js --dir DIR --node ID --lie ${ADVERSARY_LIES.join('|')} [--count N] [--after D]`,
    )
  }
  const files = await nodeFiles({ node, dir })
  const self = nodeId(node)
  const report = (text: string) => process.stderr.write(`adversary ${node}: ${text}\n`)
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())
  await runNode({
    ...files,
    initialize: false,
    listen: null,
    http: null,
    logLevel: 'info',
    version: 'adversary',
    signal: stop.signal,
    onListening: (address) => report(`listens on ${address}`),
    dress: (ports, { configHash, privateKeyPem }) => {
      const { privateKey } = importPrivateKey(privateKeyPem)
      const { clusterId, members } = files.configuration
      let campaign: Campaign | null = null
      const others = members.filter(({ id }) => id !== self).map(({ id }) => id)
      const liarKey = new LiarKey({
        owner: self,
        sha256,
        clusterId,
        sign: (bytes) => sign(privateKey, bytes),
        configHash,
      })
      const hybrid = new HybridLies(liarKey)
      const liar = new Liar({
        key: liarKey,
        others,
        random: new SeededRandom(Number(seed), 1),
        requestTimeoutMs: REQUEST_TIMEOUT_MS,
        onLie: () => campaign?.noteLie(),
      })
      campaign = new Campaign({
        lie,
        count: Number(count),
        afterMs: after === undefined ? 0 : parseDuration(after),
        nowMs: realClock.monotonicMs,
        liar,
        report,
      })
      const { speak } = campaign
      if (files.configuration.protocol === 'hybrid' && (lie === 'bad-signatures' || lie === 'equivocate'))
        lieInRaft(campaign, hybrid, lie, ports.peers, others)
      const links = new LyingLinks({
        links: ports.peers,
        scheduler: realScheduler,
        speak,
        hear: (message) => {
          hybrid.hear(message)
          liar.hear(message)
        },
      })
      return { ...ports, peers: links }
    },
  })
}

/** In Raft mode nothing else that a follower signs goes to all members: it lies to all of them at once, now and then. */
function lieInRaft(
  campaign: Campaign,
  lies: HybridLies,
  lie: 'bad-signatures' | 'equivocate',
  peers: PeerLinks,
  others: readonly NodeId[],
): void {
  const tell = (): void => {
    if (campaign.isOn && others.every((id) => peers.isConnected(id))) {
      for (const message of lie === 'equivocate' ? lies.equivocation() : lies.badSignature()) {
        for (const id of others) peers.send(id, message)
      }
      peers.flush()
      campaign.noteLie()
    }
    realScheduler.after(LIE_EVERY_MS, tell)
  }
  realScheduler.after(LIE_EVERY_MS, tell)
}

function isLie(lie: string | undefined): lie is AdversaryLie {
  return ADVERSARY_LIES.some((known) => known === lie)
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = error instanceof KnhkError ? ERROR_CODES[error.code].exit : 70
})
