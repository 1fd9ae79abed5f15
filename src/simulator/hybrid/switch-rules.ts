/**
 * What must hold where a hybrid leaves an epoch (S1 to S4): nobody leaves without a reason that convinces
 * others, nobody signs in an epoch that it left, the end is SELECT of a quorum of histories and the
 * same for all, it contains everything that anybody was told, enough honest members hold its bodies, and
 * every epoch has one successor.
 */
import { toHex } from '../../base/bytes.js'
import { decodeInit } from '../../consensus/bft/init.js'
import type { Core, Effect, ProtocolMessage } from '../../consensus/core.js'
import { viewOf } from '../../consensus/hybrid/abort-history.js'
import { decodeLeaving, type EpochStart } from '../../consensus/hybrid/epoch-record.js'
import type { Position } from '../../consensus/hybrid/positions.js'
import { select } from '../../consensus/hybrid/select.js'
import {
  decodeHandOver,
  type EndingEpoch,
  handOverChecks,
  type SwitchCertificate,
  switchChecks,
  switchResult,
} from '../../consensus/hybrid/switch-certificate.js'
import type { NodeId } from '../../consensus/types.js'
import type { SimulatedCluster } from '../cluster.js'
import type { SimulatedNode } from '../node.js'
import { InvariantViolation } from '../violation.js'
import type { EpochStarts } from './epoch-starts.js'

export interface SwitchRulesOptions {
  readonly cluster: SimulatedCluster
  readonly starts: EpochStarts
  readonly mayLie: (id: NodeId) => boolean
  /** Chain of a committed entry in hex; undefined where it is not known. */
  readonly committedChain: (index: number) => string | undefined
  /** SELECT, as the engine has it, if absent. */
  readonly select?: typeof select
}

interface Decided {
  readonly said: string
  readonly result: Position
  readonly by: NodeId
}

export class SwitchRules {
  readonly #options: SwitchRulesOptions
  /** How epochs began, by epoch. */
  readonly #begun = new Map<number, { readonly said: string; readonly start: EpochStart; readonly by: NodeId }>()
  /** How Raft epochs ended, by epoch. */
  readonly #decided = new Map<number, Decided>()
  /** The highest index that anybody was told in a Raft epoch. */
  readonly #told = new Map<number, { readonly upTo: number; readonly by: NodeId }>()
  /** The one abort history of a member, by member and epoch. */
  readonly #histories = new Map<string, string>()
  /** Certificates that were looked at, by identity. */
  readonly #seen = new WeakSet<SwitchCertificate>()
  /** Comparisons made. */
  readonly checks = { decisions: 0, selections: 0, successors: 0, histories: 0 }

  constructor(options: SwitchRulesOptions) {
    this.#options = options
    const { first } = options.starts
    this.#begun.set(first.epoch, { said: describe(first), start: first, by: '' as NodeId })
  }

  /** Epochs after the first that an honest member entered. */
  get switches(): number {
    return this.#begun.size - 1
  }

  modeOf(epoch: number): EpochStart['mode'] | undefined {
    return this.startOf(epoch)?.mode
  }

  /** How an epoch began; undefined where no honest member entered it. */
  startOf(epoch: number): EpochStart | undefined {
    return this.#begun.get(epoch)?.start
  }

  /** A message leaves an honest member. Throws `InvariantViolation`. */
  released(from: NodeId, message: ProtocolMessage): void {
    if (message.type === 'hybridSwitch') this.#switched(from, message.certificate)
    if (message.type !== 'hybridHistory') return
    const { vote, epoch } = message.history
    if (this.#options.mayLie(vote.signer)) return
    const key = `${vote.signer}/${epoch}`
    const said = toHex(vote.digest)
    const known = this.#histories.get(key)
    this.checks.histories++
    if (known === undefined) this.#histories.set(key, said)
    else if (known !== said)
      throw new InvariantViolation(
        'oneAbortHistory',
        `${from} shows a second history of ${vote.signer} for epoch ${epoch}`,
      )
  }

  /** An honest node has taken a step. Throws `InvariantViolation`. */
  stepped(node: SimulatedNode, core: Core, effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.type === 'store') {
        for (const record of effect.records) {
          if (record.kind !== 'safety') continue
          const { starts } = this.#options
          const decoded = starts.decode(record.safety)
          // How the epoch before ended comes first: what begins follows from it.
          for (const certificate of starts.switchesIn(decoded)) this.#switched(node.id, certificate)
          this.#began(node.id, decoded.start)
        }
      } else if (effect.type === 'commit') {
        const { mode, epoch } = core.status()
        if (mode === 'raft') this.#answered(node.id, epoch, effect.upTo)
      }
    }
  }

  #answered(by: NodeId, epoch: number, upTo: number): void {
    const before = this.#told.get(epoch)
    if (before === undefined || before.upTo < upTo) this.#told.set(epoch, { upTo, by })
    const decided = this.#decided.get(epoch)
    if (decided !== undefined) this.#expectWithin(epoch, decided.result)
  }

  /** Everything that was answered or applied in the epoch is within where it ended. */
  #expectWithin(epoch: number, { index, hash }: Position): void {
    const told = this.#told.get(epoch)
    const known = this.#options.committedChain(index)
    const isCut = told !== undefined && told.upTo > index
    if (!isCut && (known === undefined || known === toHex(hash))) return
    throw new InvariantViolation(
      'answeredIsWithinResult',
      isCut
        ? `epoch ${epoch} ended at ${index}, and ${told.by} was told to apply up to ${told.upTo}`
        : `epoch ${epoch} ended at ${index} with another entry than was applied there`,
    )
  }

  /** One successor per epoch: the same protocol, members and place for everybody. */
  #began(by: NodeId, start: EpochStart): void {
    const said = describe(start)
    const known = this.#begun.get(start.epoch)
    this.checks.successors++
    if (known === undefined) this.#begun.set(start.epoch, { said, start, by })
    else if (known.said !== said)
      throw new InvariantViolation(
        'oneSuccessor',
        `epoch ${start.epoch} is ${known.said} for ${known.by}, and ${said} for ${by}`,
      )
  }

  #switched(by: NodeId, certificate: SwitchCertificate): void {
    if (this.#seen.has(certificate)) return
    this.#seen.add(certificate)
    const { epoch, body, timestampMs } = certificate
    const { sha256 } = this.#options.cluster
    const said = `${timestampMs} ${toHex(sha256(body))}`
    const known = this.#decided.get(epoch)
    this.checks.decisions++
    if (known !== undefined) {
      if (known.said === said) return
      throw new InvariantViolation('oneSwitchCertificate', `epoch ${epoch} ended twice, for ${known.by} and for ${by}`)
    }
    const begun = this.#begun.get(epoch)
    if (begun === undefined) return
    const ending = this.#options.starts.endingOf(begun.start)
    const result = this.#expectSound(by, ending, certificate)
    this.#decided.set(epoch, { said, result, by })
    this.#expectDeterministic(ending, certificate)
    this.#expectWithin(epoch, result)
    this.#expectBodies(epoch, result)
  }

  #expectSound(by: NodeId, ending: EndingEpoch, certificate: SwitchCertificate): Position {
    const { signatures } = this.#options.cluster
    const outcome = switchResult(ending, certificate)
    if (typeof outcome === 'string')
      throw new InvariantViolation('switchIsCertified', `${by} left epoch ${certificate.epoch}: ${outcome}`)
    const histories = handOverChecks(ending, proofOf(certificate)) ?? []
    const isSigned = [...histories, ...switchChecks(ending, certificate)].every(signatures.holds)
    if (!isSigned || histories.length === 0)
      throw new InvariantViolation(
        'switchIsCertified',
        `${by} left epoch ${certificate.epoch} by a signature that does not hold`,
      )
    return outcome.result
  }

  /** SELECT comes to the same in whatever order the histories are given. */
  #expectDeterministic({ raft }: EndingEpoch, certificate: SwitchCertificate): void {
    const { histories } = decodeHandOver(proofOf(certificate))
    const views = histories.map((history) => viewOf(raft, history))
    const choose = this.#options.select ?? select
    const said = (order: typeof views): string => JSON.stringify(choose(order), bytesAsHex)
    const expected = said(views)
    for (let shift = 0; shift < views.length; shift++) {
      const rotated = [...views.slice(shift), ...views.slice(0, shift)]
      this.checks.selections += 2
      if (said(rotated) !== expected || said(rotated.toReversed()) !== expected)
        throw new InvariantViolation(
          'selectIsDeterministic',
          `the end of epoch ${raft.epoch} depends on the order of the histories`,
        )
    }
  }

  /** When a decision is known, f + 1 honest members of the epoch hold every body of it: nobody can withhold the result. */
  #expectBodies(epoch: number, result: Position): void {
    const { cluster, mayLie, starts } = this.#options
    const { replicas } = starts.endingOf((this.#begun.get(epoch) as { start: EpochStart }).start).raft
    const holders = replicas.ids.filter((id) => !mayLie(id) && this.#holds(cluster.node(id), epoch, result))
    if (holders.length > replicas.f) return
    throw new InvariantViolation(
      'initBodiesAreHeld',
      `epoch ${epoch} ended at ${result.index}, of which only ${holders.join(', ') || 'nobody'} of the honest has all bodies`,
    )
  }

  /** In its log, or fetched on top of it, on disk. */
  #holds({ durable, isWiped, isDamaged }: SimulatedNode, epoch: number, { index, hash }: Position): boolean {
    if (isWiped || isDamaged) return false
    const abort = durable.abortOf(epoch)
    const fetched = new Map(
      abort === undefined ? [] : decodeLeaving(abort).fetched.map((one) => [toHex(one.chain), one]),
    )
    let wanted = hash
    for (let at: number = index; at > 0; at--) {
      if (durable.hasHeld(at, wanted)) return true
      const entry = fetched.get(toHex(wanted))
      if (entry === undefined || entry.index !== at) return false
      wanted = entry.previousChain
    }
    return true
  }
}

function proofOf({ body }: SwitchCertificate): Uint8Array {
  const { basis } = decodeInit(body)
  return basis.kind === 'handOver' ? basis.proof : new Uint8Array(0)
}

function describe({ mode, origin, membership }: EpochStart): string {
  return `${mode} from ${origin.index} ${toHex(origin.chain).slice(0, 16)} for ${membership.members.map(({ id, role }) => `${id} ${role}`).join(', ')}`
}

function bytesAsHex(_key: string, value: unknown): unknown {
  return value instanceof Uint8Array ? toHex(value) : value
}
