/**
 * Everything that a seed decides before its run begins, as plain data: how the cluster and its clients
 * are set up, what goes wrong when, and who is healed at the end. A plan can be written down, cut
 * smaller and run again; chance during the run (latencies, what a crash leaves) comes from streams of
 * the same seed.
 */
import type { Millis } from '../consensus/types.js'
import { isLie, LIES, type Lie } from './byzantine/lies.js'
import { isSwitchStrike, SWITCH_STRIKES } from './hybrid/strikes.js'
import { SeededRandom } from './random.js'

export const SIM_PROTOCOLS = ['raft', 'pbft', 'hotstuff', 'hybrid'] as const
export type SimProtocol = (typeof SIM_PROTOCOLS)[number]

/** What can go wrong; each is one planned event with parameters of its own chance. */
export const STRIKES = [
  'crashProcess',
  'crashPower',
  'crashWhileSyncing',
  'crashAtStep',
  'crashAtStart',
  'powerCut',
  'powerCutAtAck',
  'leaderTail',
  'deposedReads',
  'pause',
  'clockJump',
  'weather',
  'clog',
  'partition',
  'partitionAsymmetric',
  'partitionPartial',
  'slowSync',
  'hungSync',
  'eio',
  'enospc',
  'bitRot',
  'misdirectedWrite',
  'wipe',
  'lostTail',
  'stateRot',
  'lateTransfer',
  'restartedVoter',
  'leaderFallsAtAck',
  ...LIES,
  ...SWITCH_STRIKES,
] as const
/** All nodes of one data centre lose power; planned where the data centres mean something. */
export const ZONE_STRIKE = 'zoneDown'
export type Strike = (typeof STRIKES)[number] | typeof ZONE_STRIKE

export interface PlannedFault {
  /** After the beginning of the first phase. */
  readonly atMs: Millis
  readonly strike: Strike
  /** Ordinal of a node, or whoever leads then (the node 0 where nobody does). */
  readonly target: number | 'leader'
  /** Seeds the details: durations, sides of a partition. */
  readonly detail: number
}

/** Each data centre is a zone, see `zoneAt`. */
export interface ZonePlan {
  /** What is committed is held in two of them. */
  readonly commitsApart: boolean
  /** Where the leader shall stand; null for anywhere. */
  readonly preferred: string | null
}

export interface RunPlan {
  readonly protocol: SimProtocol
  readonly seed: number
  readonly nodes: number
  /** Nodes beside the first members, which the operator adds and removes. */
  readonly spares: number
  /** The declared bound on the drift of clocks that leases rest on; 0 for no leases. */
  readonly leaseDriftMs: Millis
  readonly electionTimeoutMaxMs: Millis
  /** How fast each node's clock goes, in thousandths. */
  readonly clockSpeeds: readonly number[]
  /** Where each node stands on a line of data centres: between two of them a message takes the difference longer. */
  readonly placesMs: readonly Millis[]
  /** What the cluster makes of its data centres; absent where they mean nothing to it. */
  readonly zones?: ZonePlan
  readonly clients: number
  readonly keys: number
  readonly thinkMaxMs: Millis
  readonly flushIntervalMs: Millis
  readonly tailEntriesMax: number
  readonly messageEntriesMax: number
  readonly segmentBytesMax: number
  /** Entries between two snapshots, and of them those that stay in the log. */
  readonly snapshotEntries: number
  readonly trailingEntries: number
  readonly snapshotPieceBytes: number
  /** How long the first phase lasts at least, and the commits that it waits for. */
  readonly faultsForMs: Millis
  readonly commitsMin: number
  readonly faults: readonly PlannedFault[]
  /** Nodes in the order in which they are chosen for the majority that is healed first. */
  readonly healing: readonly number[]
  /** How each of the others is left: crashed, cut off, deaf or mute. */
  readonly left: readonly number[]
  /** Ordinals of the nodes that may lie, and how each of them lies to the end. None in plain Raft. */
  readonly liars: readonly number[]
  readonly lastLies: readonly (Lie | null)[]
  /** Byzantine protocols: when a leader is suspected at first, how often the state is signed, how long a check of a signature takes. */
  readonly requestTimeoutMs: Millis
  readonly checkpointInterval: number
  readonly verifyMaxMs: Millis
  /** Signatures are those of production: it takes a hundred times as long to make and to check them. */
  readonly realSignatures: boolean
}

const COMMITS_MIN = 200
/** No first phase is longer: a cluster that commits nothing for so long is not only struck by faults. */
export const FAULTS_MAX_MS = 60_000
/** Streams of chance beside those of the network (0) and the nodes (1 …). */
const PLAN_STREAM = 1000
const FAULT_STREAM = 1001
const SETTINGS_STREAM = 1005
const ZONES_STREAM = 1007
const ZONE_FAULTS_STREAM = 1008
const ZONE_FAULTS_MAX = 4
const ZONE_FAULTS_UNTIL_MS = 3500
const EPISODES_TO_DOUBLE_GAP = 15
/** Damage that only a few seeds have: it costs a node for the rest of a run. */
const RARE: readonly Strike[] = ['wipe', 'bitRot', 'misdirectedWrite']

/** Courses of events that chance alone hardly ever brings about: every seed has some. */
const AIMED: readonly Strike[] = ['leaderTail', 'deposedReads', 'deposedReads', 'powerCutAtAck']
const AIMED_LEASES: readonly Strike[] = [
  'lateTransfer',
  'restartedVoter',
  'leaderFallsAtAck',
  'deposedReads',
  'leaderTail',
]
const AIMED_SHARE = 0.25
/** Strikes that mean something only where leases are on. */
const WITH_LEASES: readonly Strike[] = ['lateTransfer', 'restartedVoter', 'leaderFallsAtAck']
const LEASE_DRIFT_MS = 60
/** A fast voter and a slow leader differ by less than the declared drift within a shortest election time-out. */
const CLOCK_SPEED_MIN = 800
const CLOCK_SPEED_MAX = 1200
/** A round trip between the farthest data centres fits into the shortest election time-out more than twice. */
const CENTRE_GAP_MAX_MS = 15

/** The name of the data centre that stands there. */
export function zoneAt(placeMs: Millis): string {
  return `at${placeMs}`
}

/** The plan of a seed. The same arguments give the same plan. */
export function planRun(seed: number, nodes: number): RunPlan {
  const random = new SeededRandom(seed, PLAN_STREAM)
  const settings = planSettings(seed, nodes)
  const all = nodes + settings.spares
  const zones = planZones(seed, settings.placesMs.slice(0, nodes))
  return {
    protocol: 'raft',
    seed,
    nodes,
    ...settings,
    ...(zones === null ? {} : { zones }),
    clients: random.between(3, 6),
    keys: random.between(2, 6),
    thinkMaxMs: random.pick([10, 20, 40]),
    // Small, so that what happens once an hour in production happens in every run.
    flushIntervalMs: random.pick([200, 1000, 5000]),
    tailEntriesMax: random.pick([16, 16_384]),
    messageEntriesMax: random.pick([1, 2, 1024]),
    segmentBytesMax: random.pick([4096, 16_384, 1 << 20]),
    snapshotEntries: random.pick([40, 80, 200]),
    trailingEntries: random.pick([1, 10, 40]),
    snapshotPieceBytes: random.pick([256, 4096, 256 << 10]),
    faultsForMs: random.between(1500, 3500),
    commitsMin: COMMITS_MIN,
    faults: withZoneFaults(seed, zones, settings, planFaults(seed, all, settings.leaseDriftMs > 0)),
    healing: shuffled(random, all),
    left: Array.from({ length: all }, () => random.between(0, 3)),
    liars: [],
    lastLies: [],
    requestTimeoutMs: 0,
    checkpointInterval: 0,
    verifyMaxMs: 0,
    realSignatures: false,
  }
}

function planSettings(
  seed: number,
  nodes: number,
): Pick<RunPlan, 'spares' | 'leaseDriftMs' | 'electionTimeoutMaxMs' | 'clockSpeeds' | 'placesMs'> {
  const random = new SeededRandom(seed, SETTINGS_STREAM)
  const spares = random.chance(0.5) ? random.between(1, 2) : 0
  const hasLeases = random.chance(0.5)
  return {
    spares,
    leaseDriftMs: hasLeases ? LEASE_DRIFT_MS : 0,
    // Elections right after the shortest time-out are where a lease that lasts too long shows.
    electionTimeoutMaxMs: hasLeases ? random.pick([165, 200, 300]) : 300,
    clockSpeeds: Array.from({ length: nodes + spares }, () =>
      hasLeases
        ? random.pick([CLOCK_SPEED_MIN, 1000, CLOCK_SPEED_MAX, random.between(CLOCK_SPEED_MIN, CLOCK_SPEED_MAX)])
        : 1000,
    ),
    placesMs: planPlaces(random, nodes + spares),
  }
}

/** Half of the seeds have all nodes in one place, the others in two or three data centres. */
function planPlaces(random: SeededRandom, nodes: number): Millis[] {
  const centres = random.pick([1, 1, 2, 3])
  const gapsMs = Array.from({ length: centres }, () => random.between(1, CENTRE_GAP_MAX_MS))
  const centreAtMs = gapsMs.map((_, at) => gapsMs.slice(1, at + 1).reduce((sum, gapMs) => sum + gapMs, 0))
  return Array.from({ length: nodes }, () => random.pick(centreAtMs))
}

/** Where the first members stand in several data centres, most seeds make something of it. */
function planZones(seed: number, placesMs: readonly Millis[]): ZonePlan | null {
  if (new Set(placesMs).size < 2) return null
  const random = new SeededRandom(seed, ZONES_STREAM)
  const commitsApart = random.chance(0.5)
  const preferred = random.chance(0.5) ? zoneAt(random.pick(placesMs)) : null
  return commitsApart || preferred !== null ? { commitsApart, preferred } : null
}

/**
 * Data centres lose power now and then. Where the members change and two data centres have to hold what is
 * committed, no disk is lost for good: it might be the only one of the second.
 */
function withZoneFaults(
  seed: number,
  zones: ZonePlan | null,
  { spares, placesMs }: Pick<RunPlan, 'spares' | 'placesMs'>,
  faults: readonly PlannedFault[],
): readonly PlannedFault[] {
  if (zones === null) return faults
  const random = new SeededRandom(seed, ZONE_FAULTS_STREAM)
  const added = Array.from(
    { length: random.between(1, ZONE_FAULTS_MAX) },
    (): PlannedFault => ({
      atMs: random.between(0, ZONE_FAULTS_UNTIL_MS),
      strike: ZONE_STRIKE,
      target: random.chance(0.5) ? 'leader' : random.between(0, placesMs.length - 1),
      detail: random.between(0, 2 ** 31),
    }),
  )
  const bearable = zones.commitsApart && spares > 0 ? faults.filter(({ strike }) => !RARE.includes(strike)) : faults
  return [...bearable, ...added].sort((a, b) => a.atMs - b.atMs)
}

/**
 * Every seed has a mix of its own, because a bug that needs many faults of one kind drowns when all
 * kinds come at once (Groce et al., "Swarm testing", 2012).
 */
function planFaults(seed: number, nodes: number, hasLeases: boolean): PlannedFault[] {
  const random = new SeededRandom(seed, FAULT_STREAM)
  const possible = STRIKES.filter(
    (strike) => !isLie(strike) && !isSwitchStrike(strike) && (hasLeases || !WITH_LEASES.includes(strike)),
  )
  const chosen = possible.filter((strike) => random.chance(RARE.includes(strike) ? 0.25 : 0.55))
  const mix = chosen.length >= 3 ? chosen : possible
  const courses = hasLeases ? AIMED_LEASES : AIMED
  const gapMaxMs = random.between(100, 600)
  const faults: PlannedFault[] = []
  let atMs = 0
  for (;;) {
    // A mix under which hardly anything commits gets rarer by and by, so that every run comes to something.
    atMs += random.between(20, 20 + gapMaxMs * (1 + (faults.length / EPISODES_TO_DOUBLE_GAP) ** 2))
    if (atMs >= FAULTS_MAX_MS) return faults
    const aimed = random.chance(AIMED_SHARE) ? random.pick(courses) : null
    const strike = aimed ?? random.pick(mix)
    // Leaders have more to lose.
    const target = random.chance(0.4) ? 'leader' : random.between(0, nodes - 1)
    faults.push({ atMs, strike, target, detail: random.between(0, 2 ** 31) })
  }
}

export function shuffled(random: SeededRandom, count: number): number[] {
  const items = Array.from({ length: count }, (_, at) => at)
  for (let at = count - 1; at > 0; at--) {
    const other = random.between(0, at)
    ;[items[at], items[other]] = [items[other] as number, items[at] as number]
  }
  return items
}
