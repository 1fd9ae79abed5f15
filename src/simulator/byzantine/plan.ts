/**
 * The plan of a run of a Byzantine protocol: the faults of every run, and windows in which up to f members
 * lie. Where fewer lie than the protocol bears, disks may be damaged in their place.
 */
import { byzantineFaults } from '../../consensus/quorum.js'
import { isSwitchStrike } from '../hybrid/strikes.js'
import {
  FAULTS_MAX_MS,
  type PlannedFault,
  type RunPlan,
  type SimProtocol,
  STRIKES,
  type Strike,
  shuffled,
} from '../plan.js'
import { SeededRandom } from '../random.js'
import { isLie, LIES, type Lie } from './lies.js'

/** Streams of chance: none of plain Raft's plans changes with these. */
const PLAN_STREAM = 3000
const FAULT_STREAM = 3001
const SIGNATURE_STREAM = 3002
const SPARE_STREAM = 3003
/** One seed of so many signs as production does: which one, each lot decides anew. */
const REAL_SIGNATURES_EVERY = 100
const COMMITS_MIN = 200
const MANY = 7
const EPISODES_TO_DOUBLE_GAP = 15
const LIE_SHARE = 0.35

/** Told for a Raft leader, its terms or its leases; or hurting a member in a way that nothing shows. */
const OF_RAFT: readonly Strike[] = [
  'leaderTail',
  'deposedReads',
  'lostTail',
  'stateRot',
  'lateTransfer',
  'restartedVoter',
  'leaderFallsAtAck',
]
/** What strikes any number of honest members: nothing of it may cost safety. Lies are planned apart. */
const FAULTS: readonly Strike[] = STRIKES.filter(
  (strike) => !OF_RAFT.includes(strike) && !isLie(strike) && !isSwitchStrike(strike),
)
/**
 * Where the state is signed a wrong one is found out, and who lost votes without a trace is one of the f; a hybrid
 * begins with Raft, whose followers compare less often, and whose votes are counted otherwise.
 */
const CERTIFIED_FAULTS: readonly Strike[] = [...FAULTS, 'stateRot', 'lostTail']
const RARE: readonly Strike[] = ['bitRot', 'misdirectedWrite', 'wipe', 'stateRot', 'lostTail']

/** At most `byzantine` liars, and never more than the protocol bears. */
export function planByzantineRun(protocol: SimProtocol, seed: number, nodes: number, byzantine: number): RunPlan {
  const random = new SeededRandom(seed, PLAN_STREAM)
  const liarsMax = Math.min(byzantine, byzantineFaults(nodes))
  const spares = planSpares(seed)
  const all = nodes + spares
  // One less now and then leaves room for a damaged disk.
  const count = liarsMax > 0 && random.chance(0.25) ? liarsMax - 1 : liarsMax
  const liars = shuffled(random, all).slice(0, count)
  const checkpointInterval = random.pick([8, 16, 32])
  return {
    protocol,
    seed,
    nodes,
    spares,
    leaseDriftMs: 0,
    electionTimeoutMaxMs: 300,
    // Clocks are kept by others: a time that is far off is a fault of its own.
    clockSpeeds: Array.from({ length: all }, () => random.between(999, 1001)),
    placesMs: Array.from({ length: all }, () => 0),
    clients: random.between(3, 5),
    keys: random.between(2, 6),
    thinkMaxMs: random.pick([20, 40, 80]),
    flushIntervalMs: random.pick([200, 1000, 5000]),
    tailEntriesMax: random.pick([16, 4096]),
    messageEntriesMax: 1024,
    segmentBytesMax: random.pick(segmentSizes(protocol, nodes)),
    snapshotEntries: random.pick([24, 48, 100]),
    trailingEntries: random.pick([1, 10, 40]),
    snapshotPieceBytes: random.pick([256, 4096, 256 << 10]),
    faultsForMs: random.between(3000, 8000),
    commitsMin: COMMITS_MIN,
    faults: planFaults(seed, all, liars, protocol === 'hybrid' ? FAULTS : CERTIFIED_FAULTS),
    healing: shuffled(random, all),
    left: Array.from({ length: all }, () => random.between(0, 3)),
    liars,
    lastLies: liars.map((): Lie | null => (random.chance(0.2) ? null : random.pick(LIES))),
    requestTimeoutMs: random.pick([200, 500, 2000]),
    checkpointInterval,
    verifyMaxMs: random.pick([0, 0.5, 5]),
    realSignatures: hasRealSignatures(seed),
  }
}

/** What must be known again stands at the start of each segment: of many members it takes a hundred KiB after a change of view. */
function segmentSizes(protocol: SimProtocol, nodes: number): readonly number[] {
  return protocol === 'hybrid' || nodes < MANY ? [16_384, 65_536, 1 << 20] : [1 << 18, 1 << 19, 1 << 20]
}

/** Nodes beside the first members, which the operator takes in and lets go. */
function planSpares(seed: number): number {
  const random = new SeededRandom(seed, SPARE_STREAM)
  return random.chance(0.5) ? random.between(1, 2) : 0
}

function hasRealSignatures(seed: number): boolean {
  const lot = new SeededRandom(Math.floor(seed / REAL_SIGNATURES_EVERY), SIGNATURE_STREAM)
  return lot.between(0, REAL_SIGNATURES_EVERY - 1) === seed % REAL_SIGNATURES_EVERY
}

/** A mix of its own for every seed (Groce et al., "Swarm testing", 2012), of faults and of lies. */
function planFaults(seed: number, nodes: number, liars: readonly number[], known: readonly Strike[]): PlannedFault[] {
  const random = new SeededRandom(seed, FAULT_STREAM)
  const chosen = known.filter((strike) => random.chance(RARE.includes(strike) ? 0.25 : 0.5))
  const mix = chosen.length >= 3 ? chosen : known
  const some = LIES.filter(() => random.chance(0.5))
  const lies = some.length > 0 ? some : LIES
  const gapMaxMs = random.between(200, 1500)
  const faults: PlannedFault[] = []
  let atMs = 0
  for (;;) {
    atMs += random.between(20, 20 + gapMaxMs * (1 + (faults.length / EPISODES_TO_DOUBLE_GAP) ** 2))
    if (atMs >= FAULTS_MAX_MS) return faults
    const detail = random.between(0, 2 ** 31)
    if (liars.length > 0 && (faults.length === 0 || random.chance(LIE_SHARE))) {
      faults.push({ atMs, strike: random.pick(lies), target: random.pick(liars), detail })
      continue
    }
    const strike = random.pick(mix)
    const target = random.chance(0.4) ? 'leader' : random.between(0, nodes - 1)
    faults.push({ atMs, strike, target, detail })
  }
}
