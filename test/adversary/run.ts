/**
 * The adversary of the end-to-end tests: replaces a stopped node of a local cluster by a real process that
 * holds its key and lies.
 *
 * node dist/test/adversary/run.js --dir DIR --node ID --lie LIE --count N --after D
 *
 * With `--as leader` a member of a hybrid cluster lies only while it leads a Raft epoch, and wants to.
 */
import { parseArgs } from 'node:util'
import { KnhkError } from '../../src/base/error.js'
import { ERROR_CODES } from '../../src/base/error-codes.js'
import { nodeFiles, runNode } from '../../src/cluster/run-node.js'
import { epochConfigHash } from '../../src/consensus/bft/replicas.js'
import type { ClusterConfiguration } from '../../src/consensus/configuration.js'
import { handOverConfigHash } from '../../src/consensus/hybrid/switch-certificate.js'
import { type NodeId, nodeId } from '../../src/consensus/types.js'
import { importPrivateKey, sign } from '../../src/crypto/keys.js'
import { sha256 } from '../../src/crypto/sha256.js'
import type { PeerLinks } from '../../src/node/ports.js'
import { realClock, realScheduler } from '../../src/node/real-ports.js'
import { Liar } from '../../src/simulator/byzantine/liar.js'
import { LiarKey } from '../../src/simulator/byzantine/liar-key.js'
import { EpochStarts } from '../../src/simulator/hybrid/epoch-starts.js'
import { RaftLies } from '../../src/simulator/hybrid/raft-lies.js'
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
      as: { type: 'string' },
      seed: { type: 'string', default: '1' },
    },
  })
  const { dir, node, lie, count, after, as: office, seed } = values
  if (dir === undefined || node === undefined || !isLie(lie) || (office !== undefined && office !== 'leader')) {
    throw new KnhkError(
      'Usage',
      `usage: run.js --dir DIR --node ID --lie ${ADVERSARY_LIES.join('|')} [--count N] [--after D] [--as leader]`,
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
      const { clusterId, members, protocol } = files.configuration
      let campaign: Campaign | null = null
      const others = members.filter(({ id }) => id !== self).map(({ id }) => id)
      const signer = { owner: self, sha256, clusterId, sign: (bytes: Uint8Array) => sign(privateKey, bytes) }
      const contexts = protocol === 'hybrid' ? contextsOf(files.configuration) : null
      const key = new LiarKey({ ...signer, configHash: contexts === null ? configHash : () => contexts.epoch })
      const hybrid = new HybridLies(key)
      const liar = new Liar({
        key,
        hybrid:
          contexts === null
            ? null
            : {
                raft: new RaftLies(key, () => contexts.origin),
                handOverKey: new LiarKey({ ...signer, configHash: () => contexts.handOver }),
              },
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
        isTimely: () => office !== 'leader' || hybrid.leads,
        report,
      })
      const { speak } = campaign
      if (contexts !== null && (lie === 'bad-signatures' || lie === 'equivocate'))
        lieInRaft(campaign, hybrid, lie, ports.peers, others, stop.signal)
      const links = new LyingLinks({
        links: ports.peers,
        scheduler: realScheduler,
        speak: (to, message) => {
          hybrid.speak(message)
          return speak(to, message)
        },
        hear: (from, message) => {
          hybrid.hear(message)
          return liar.hear(from, message)
        },
      })
      // Who wants to lead loses no time: it is a candidate before the honest ones are.
      const random = office === 'leader' ? () => 0 : ports.random
      return { ...ports, peers: links, random }
    },
  })
}

/** What signatures are bound to in the first epoch of a hybrid cluster, and in the instance that decides its end. */
function contextsOf(configuration: ClusterConfiguration) {
  const starts = new EpochStarts({ configuration, sha256 })
  const ending = starts.endingOf(starts.first)
  const { origin, sign: context } = ending.raft
  const handOver = epochConfigHash(sha256, handOverConfigHash(ending), ending.membership)
  return { origin, epoch: context.configHash, handOver }
}

/** In Raft mode nothing else that a follower signs goes to all members: it lies to all of them at once, now and then. */
function lieInRaft(
  campaign: Campaign,
  lies: HybridLies,
  lie: 'bad-signatures' | 'equivocate',
  peers: PeerLinks,
  others: readonly NodeId[],
  signal: AbortSignal,
): void {
  const tell = (): void => {
    if (signal.aborted) return
    // As a leader it has two histories to tell.
    const isIdle = lie === 'bad-signatures' || !lies.leads
    if (isIdle && campaign.isOn && others.every((id) => peers.isConnected(id))) {
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
