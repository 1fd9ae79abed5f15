/**
 * Shows what people see while they watch: sparklines, the screen of `watch` within its bounds, events between two
 * looks, health in words, and the plot of a benchmark.
 */
import { stripVTControlCharacters } from 'node:util'
import { describe, expect, it } from 'vitest'
import type { ClusterStatus, NodeStatus } from '../../src/client/api.js'
import { latencyPlot } from '../../src/terminal/bench/plot.js'
import { painter } from '../../src/terminal/colours.js'
import { healthReport } from '../../src/terminal/health-report.js'
import { connectionNotice, eventsBetween } from '../../src/terminal/notices.js'
import { plainTable } from '../../src/terminal/printer.js'
import { LineFeed } from '../../src/terminal/repl/line-feed.js'
import { sparkline } from '../../src/terminal/sparkline.js'
import type { Sample } from '../../src/terminal/watch/sample.js'
import { cropped } from '../../src/terminal/watch/screen.js'
import { HISTORY_SAMPLES, screenLines, WatchHistory } from '../../src/terminal/watch/view.js'

const IDS = ['n1', 'n2', 'n3']

function node(id: string, change: Partial<NodeStatus> = {}): NodeStatus {
  return {
    id,
    role: id === 'n1' ? 'leader' : 'follower',
    reachable: true,
    epoch: 0,
    term: 1,
    view: null,
    round: null,
    leader: 'n1',
    firstIndex: 1,
    lastIndex: 10,
    commitIndex: 10,
    appliedIndex: 10,
    stateDigest: null,
    dataDigest: null,
    digestIndex: null,
    lagEntries: 0,
    rttMs: null,
    zone: 'default',
    version: null,
    http: null,
    mode: 'raft',
    address: '127.0.0.1:1',
    epochSinceMs: null,
    residencyMs: null,
    stays: null,
    disk: null,
    threat: null,
    assurance: null,
    error: null,
    ...change,
  }
}

const DOWN = { reachable: false, error: { code: 'Unreachable', message: 'x', details: {} } } as const

function status(change: Partial<ClusterStatus> = {}): ClusterStatus {
  return {
    protocol: 'raft',
    mode: 'raft',
    epoch: 0,
    threat: null,
    assurance: null,
    leader: 'n1',
    term: 1,
    view: null,
    round: null,
    commitIndex: 10,
    nodes: IDS.map((id) => node(id)),
    ...change,
  }
}

function sample(change: Partial<Sample> = {}): Sample {
  return { atMs: 0, status: status(), entriesPerSecond: 5, readMs: 1, openSessions: 0, events: [], ...change }
}

describe('sparkline', () => {
  it('shows the newest values, the highest as a full bar, what is not known as a blank', () => {
    expect(sparkline([0, 5, 10], 3)).toBe('▁▅█')
    expect(sparkline([1, null, 1], 5)).toBe('  █ █')
    expect(sparkline([9, 9, 1, 2], 2)).toBe('▅█')
    expect(sparkline([0, 0], 2)).toBe('▁▁')
    expect(sparkline([], 3)).toBe('   ')
  })
})

describe('the screen of watch', () => {
  const frame = { name: 'demo', rows: 20, columns: 80, paint: painter(true), hint: 'q leaves' }

  it('fills exactly the rows there are, and remembers no more than it shows', () => {
    const history = new WatchHistory()
    for (let i = 0; i < 500; i++) history.add(sample({ events: [`event ${i}`] }))
    expect(history.samples).toHaveLength(HISTORY_SAMPLES)
    expect(history.events.length).toBeLessThanOrEqual(100)
    const lines = screenLines(history, frame).map((line) => stripVTControlCharacters(line))
    expect(lines).toHaveLength(20)
    expect(lines.at(-1)).toBe('q leaves')
    expect(lines.some((line) => line.includes('event 499'))).toBe(true)
    for (const rows of [1, 2, 5, 60]) expect(screenLines(history, { ...frame, rows })).toHaveLength(rows)
  })

  it('shows views where there are views, and threat levels', () => {
    const history = new WatchHistory()
    const bft = status({ mode: 'pbft', threat: 'critical', view: 3, nodes: IDS.map((id) => node(id, { view: 3 })) })
    history.add(sample({ status: bft }))
    const text = stripVTControlCharacters(screenLines(history, frame).join('\n'))
    expect(text).toContain('pbft · epoch 0 · leader n1 · view 3 · threat critical')
    expect(text).toMatch(/node +role +term +view/)
  })

  it('crops lines by what is seen of them', () => {
    const line = painter(true)('red', 'abcdef')
    expect(stripVTControlCharacters(cropped(line, 4))).toBe('abcd')
    expect(cropped('abc', 3)).toBe('abc')
  })
})

describe('events', () => {
  it('tell of leaders, protocols, threats and members', () => {
    expect(eventsBetween(null, status())).toEqual([])
    expect(eventsBetween(status(), status({ leader: 'n2', term: 2 }))).toEqual(['n2 leads now, was n1 (term 2)'])
    const hybrid = { protocol: 'hybrid', threat: 'none' }
    const report = { level: 'high', causes: ['badSignatures'], nodes: [{ id: 'n3', level: 'high', causes: [] }] }
    const switched = { ...hybrid, mode: 'pbft', epoch: 1, leader: 'n2', threat: 'high' } as const
    expect(
      eventsBetween(status(hybrid), status({ ...switched, nodes: IDS.map((id) => node(id, { threat: report })) })),
    ).toEqual([
      'the cluster now decides by pbft (epoch 1), n2 leads',
      'the threat level is high because of n3, was none',
    ])
    expect(eventsBetween(status(switched), status({ ...switched, epoch: 2 }))).toEqual(['epoch 2 began, n2 leads'])
    expect(eventsBetween(status(switched), status({ ...switched, threat: 'none' }))).toEqual([
      'the threat level is none, was high',
    ])
    // Too few tell: nothing is known of epoch and mode.
    expect(eventsBetween(status(switched), status({ ...hybrid, commitIndex: null }))).toEqual([])
    const without = status({ nodes: [node('n1'), node('n2', DOWN), node('n4')] })
    expect(eventsBetween(status(), without)).toEqual([
      'n2 does not answer: Unreachable',
      'n4 is a member now',
      'n3 is no member any more',
    ])
    expect(eventsBetween(without, status())).toContain('n2 answers again')
  })

  it('tell of the connection as a whole', () => {
    const nobody = status({ nodes: IDS.map((id) => node(id, DOWN)) })
    expect(connectionNotice(status(), nobody)).toContain('no member answers')
    expect(connectionNotice(nobody, status())).toBe('connected again')
    expect(connectionNotice(status(), status())).toBeNull()
    expect(connectionNotice(null, null)).toBeNull()
  })
})

describe('health', () => {
  const limits = { lagEntries: null, rttMs: null }

  it('counts the failures that are still borne, by the protocol that decides', () => {
    expect(healthReport(status(), IDS, limits)).toMatchObject({ health: 'healthy', moreFaultsTolerated: 1 })
    const one = status({ nodes: [node('n1'), node('n2'), node('n3', DOWN)] })
    expect(healthReport(one, IDS, limits)).toMatchObject({ health: 'degraded', moreFaultsTolerated: 0 })
    const four = status({ mode: 'pbft', nodes: [...IDS, 'n4'].map((id) => node(id)) })
    expect(healthReport(four, [...IDS, 'n4'], limits)).toMatchObject({ health: 'healthy', moreFaultsTolerated: 1 })
    const two = status({ leader: null, nodes: [node('n1'), node('n2', DOWN), node('n3', DOWN)] })
    expect(healthReport(two, IDS, limits).health).toBe('down')
    expect(healthReport(status(), null, limits).moreFaultsTolerated).toBeNull()
  })

  it('allows the lag that it is told to, and no more', () => {
    const behind = status({ nodes: [node('n1'), node('n2'), node('n3', { appliedIndex: 4, lagEntries: 6, rttMs: 9 })] })
    expect(healthReport(behind, IDS, limits).health).toBe('degraded')
    expect(healthReport(behind, IDS, { lagEntries: 6, rttMs: null }).problems).toEqual([])
    expect(healthReport(behind, IDS, { lagEntries: 5, rttMs: 8 }).problems).toEqual([
      'n3 is 6 entries behind',
      'n3 is 9.0 ms away from the leader',
    ])
  })
})

describe('the plot of a benchmark', () => {
  it('has rows of equal width on a logarithmic scale that add up', () => {
    const histogram = [1, 2, 4, 8, 16, 100].map((ms) => [ms, 10] as const)
    const lines = latencyPlot(histogram, (bar) => bar)
    expect(lines).toHaveLength(12)
    const shares = lines.map((line) => Number(/([\d.]+) %/.exec(line)?.[1]))
    expect(Math.round(shares.reduce((sum, share) => sum + share, 0))).toBe(100)
    expect(latencyPlot([], (bar) => bar)).toEqual([])
    expect(latencyPlot([[3, 7]], (bar) => bar)[0]).toContain('100.0 %')
  })
})

describe('a table on a narrow terminal', () => {
  it('loses what does not fit, and says so', () => {
    const rows = [
      ['node', 'address'],
      ['n1', '127.0.0.1:44883'],
    ]
    expect(plainTable(rows, 80)).toBe('node  address\nn1    127.0.0.1:44883')
    expect(plainTable(rows, 10)).toBe('node  add…\nn1    127…')
  })
})

describe('lines that are shared', () => {
  it('are not lost when somebody gives up waiting', async () => {
    let give: (line: string) => void = () => undefined
    async function* lines() {
      yield 'first'
      yield await new Promise<string>((resolve) => {
        give = resolve
      })
    }
    const feed = new LineFeed(lines())
    expect(await feed.next()).toBe('first')
    const controller = new AbortController()
    const waiting = feed.next(controller.signal)
    controller.abort(new Error('enough'))
    await expect(waiting).rejects.toThrow('enough')
    give('second')
    expect(await feed.next()).toBe('second')
    expect(await feed.next()).toBeNull()
  })
})
