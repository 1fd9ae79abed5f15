/**
 * What a liar makes of entries that it gives for the end of an epoch: labels that no chain binds, and an entry that
 * nobody asked for, larger than a record of leaving an epoch may be.
 */
import { computeBatchDigest } from '../../consensus/batch-digest.js'
import { type Entry, makeEntry } from '../../consensus/entry.js'
import type { AbortHistory } from '../../consensus/hybrid/abort-history.js'
import type { HybridMessage } from '../../consensus/hybrid/messages.js'
import { encodeBody } from '../../consensus/request-body.js'
import type { LogIndex, Term } from '../../consensus/types.js'
import { flipped, type LiarKey } from '../byzantine/liar-key.js'
import type { SeededRandom } from '../random.js'

type Given = Extract<HybridMessage, { type: 'hybridEntries' }>

const HUGE_BYTES = 9 << 20
/** Beyond the end of any log. */
const FAR = 1000
const BODY_WRONG = 0.2
const LABEL_WRONG = 0.4

/** A wrong body here, a wrong label there. */
export function liedEntries(key: LiarKey, message: Given, random: SeededRandom): Given {
  const entries = message.entries.map((entry) => {
    const what = random.next()
    if (what < BODY_WRONG) return { ...entry, body: flipped(entry.body, random) }
    return what < LABEL_WRONG ? relabelled(key, entry, random) : entry
  })
  return { ...message, entries }
}

function relabelled({ sha256 }: LiarKey, entry: Entry, random: SeededRandom): Entry {
  const { body, term, clusterId, configHash } = entry
  switch (random.between(0, 5)) {
    case 0:
      return makeEntry(sha256, { ...entry, clusterId: flipped(clusterId, random) }, body)
    case 1:
      return makeEntry(sha256, { ...entry, configHash: flipped(configHash, random) }, body)
    case 2:
      return makeEntry(sha256, entry, body, Uint8Array.of(1))
    default:
      // Terms most of all: only who has the entries before can tell.
      return makeEntry(sha256, { ...entry, term: (term + random.between(1, 5)) as Term }, body)
  }
}

/** Sound by itself, and of no result. */
export function hugeEntry({ sha256, context }: LiarKey, { epoch, tip }: Pick<AbortHistory, 'epoch' | 'tip'>): Given {
  const body = encodeBody([new Uint8Array(HUGE_BYTES)])
  const batchDigest = computeBatchDigest(sha256, 'empty', body)
  const place = { epoch, term: tip.term, index: (tip.index + FAR) as LogIndex, timestampMs: 0, kind: 'empty' } as const
  const entry = makeEntry(sha256, { ...place, ...context, batchDigest, previousChain: tip.hash }, body)
  return { type: 'hybridEntries', epoch, entries: [entry] }
}
