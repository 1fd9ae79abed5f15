/**
 * What entries that somebody sent say of themselves beside what their chain binds: cluster, configuration, term and
 * certificate. At ingress they are what every honest log says; terms, which need the entries before, are set right
 * when a result is put together.
 */
import { bytesEqual } from '../../base/bytes.js'
import { type Entry, makeEntry, verifyChain } from '../entry.js'
import type { Term } from '../types.js'
import { beginsTerm } from './hardened/append-rules.js'
import type { RaftEpoch } from './positions.js'

/** What is wrong with entries given for the end of an epoch, apart from their bodies; null when nothing is. */
export function entriesProblem(epoch: RaftEpoch, entries: readonly Entry[]): string | null {
  for (const [at, entry] of entries.entries()) {
    const before = entries[at - 1]
    const follows =
      before === undefined || (before.index + 1 === entry.index && bytesEqual(before.chain, entry.previousChain))
    if (!follows) return 'a link is missing'
    if (!verifyChain(epoch.sha256, entry)) return 'a chain value is wrong'
    if (!bytesEqual(entry.clusterId, epoch.sign.clusterId)) return 'an entry of another cluster'
    const problem = entry.index > epoch.origin.index ? labelProblem(epoch, entry) : pastProblem(epoch, entry)
    if (problem !== null) return problem
  }
  return null
}

function labelProblem(epoch: RaftEpoch, entry: Entry): string | null {
  if (entry.epoch !== epoch.epoch) return 'an entry of another epoch'
  if (!bytesEqual(entry.configHash, epoch.sign.configHash)) return 'an entry of another configuration'
  if (entry.certificate !== null) return 'an entry of a Raft epoch carries no certificate'
  return entry.kind !== 'mode' || beginsTerm(entry) ? null : 'an entry begins a term that its certificate does not'
}

/** A member whose log was damaged may lack what epochs before decided, which only the chain vouches for here. */
function pastProblem(epoch: RaftEpoch, entry: Entry): string | null {
  return entry.epoch < epoch.epoch ? null : 'an entry of this epoch before its origin'
}

/**
 * The entries with the terms that follow from what the chain binds: an entry has the term of the one before, or begins
 * its own. `before` is null where the log does not know its term: there the sender's word counts, as far as what
 * follows leaves it room. Null where no log of a result in the term `last` looks so.
 */
export function withTerms(
  { sha256, origin, epoch }: Pick<RaftEpoch, 'sha256' | 'origin' | 'epoch'>,
  before: Term | null,
  entries: readonly Entry[],
  last: Term,
): Entry[] | null {
  const own = entries.filter((entry) => entry.epoch === epoch)
  const [first] = own
  if (first?.index === origin.index + 1 && first.kind !== 'mode') return null
  const begun = own.find(({ kind }) => kind === 'mode')
  const room = begun === undefined ? last : begun.term - 1
  let term = before ?? (Math.min(first?.term ?? 0, room) as Term)
  const labelled: Entry[] = []
  for (const entry of entries) {
    if (entry.epoch !== epoch) {
      labelled.push(entry)
      continue
    }
    if (entry.kind === 'mode') {
      if (entry.term <= term || entry.term > last) return null
      term = entry.term
    }
    labelled.push(entry.term === term ? entry : makeEntry(sha256, { ...entry, term }, entry.body))
  }
  return labelled
}
