/**
 * The dashboard and the alert rules ask for metrics and labels that nodes really have, all metrics are on
 * the dashboard, and every alert has its entry in the runbook.
 */
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { beforeAll, expect, it } from 'vitest'
import { parse } from 'yaml'
import { prometheusText } from '../../src/telemetry/prometheus.js'
import { liveThrough, makeRig, seriesOf } from './drive.js'

interface Rule {
  readonly alert: string
  readonly expr: string
  readonly labels: { readonly severity: string }
  readonly annotations: Readonly<Record<string, string>>
}

interface Panel {
  readonly type: string
  readonly title: string
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[]
}

/** What Prometheus itself adds. */
const SCRAPED = new Set(['job', 'instance', 'le'])

let rules: Rule[] = []
let panels: Panel[] = []
let runbook = ''
const names = new Set<string>()
const labels = new Set<string>()
let metrics: string[] = []

async function operations(name: string): Promise<string> {
  return readFile(fileURLToPath(new URL(`../../docs/operations/${name}`, import.meta.url)), 'utf8')
}

beforeAll(async () => {
  const file = parse(await operations('alerts.yaml')) as { groups: { name: string; rules: Rule[] }[] }
  rules = file.groups.flatMap((group) => group.rules)
  panels = (JSON.parse(await operations('dashboard.json')) as { panels: Panel[] }).panels
  runbook = await operations('runbook.md')
  const rig = makeRig()
  liveThrough(rig)
  const text = prometheusText(seriesOf(rig.recorder))
  for (const [, name, pairs] of text.matchAll(/^([a-z_]+)\{(.*)\} /gm)) {
    names.add(name as string)
    for (const [, label] of (pairs as string).matchAll(/([a-z_]+)="/g)) labels.add(label as string)
  }
  metrics = [...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name as string)
})

/** Names of metrics in an expression: words with `consensus_` that are no labels. */
function asked(expr: string): string[] {
  const inner = expr.replaceAll(/\{[^{}]*\}/g, '').replaceAll(/\b(?:by|on|without)\s*\([^)]*\)/g, '')
  return [...inner.matchAll(/[a-z_]{4,}/g)].map(([word]) => word).filter((word) => word.startsWith('consensus_'))
}

function askedLabels(expr: string): string[] {
  const matchers = [...expr.matchAll(/\{([^{}]*)\}/g)].flatMap(([, text]) => [
    ...(text as string).matchAll(/([a-z_]+)\s*[=!]/g),
  ])
  const grouped = [...expr.matchAll(/\b(?:by|on)\s*\(([^)]*)\)/g)].flatMap(([, text]) => [
    ...(text as string).matchAll(/([a-z_]+)/g),
  ])
  return [...matchers, ...grouped].map(([, label]) => label as string)
}

function expressions(): string[] {
  return [...rules.map(({ expr }) => expr), ...panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))]
}

it('asks for metrics that nodes have', () => {
  for (const expr of expressions()) {
    const wanted = asked(expr)
    for (const name of wanted) expect(names.has(name), `${name} in ${expr}`).toBe(true)
    if (!expr.startsWith('up{')) expect(wanted.length, expr).toBeGreaterThan(0)
  }
})

it('asks for labels that they have', () => {
  for (const expr of expressions()) {
    for (const label of askedLabels(expr))
      expect(labels.has(label) || SCRAPED.has(label), `${label} in ${expr}`).toBe(true)
  }
  const shown = [
    ...rules.flatMap(({ annotations }) => Object.values(annotations)),
    ...panels.flatMap(({ targets = [] }) => targets.map(({ legendFormat }) => legendFormat)),
  ]
  for (const [, label] of shown.flatMap((text) => [...text.matchAll(/\{\{\s*(?:\$labels\.)?([a-z_]+)\s*\}\}/g)])) {
    expect(labels.has(label as string) || SCRAPED.has(label as string), label).toBe(true)
  }
})

it('shows every metric on the dashboard', () => {
  const shown = new Set(panels.flatMap(({ targets = [] }) => targets.flatMap(({ expr }) => asked(expr))))
  const missing = metrics.filter((name) => ![name, `${name}_bucket`, `${name}_count`].some((one) => shown.has(one)))
  expect(missing).toEqual([])
})

it('has a runbook entry for each alert, and none for an alert that is gone', () => {
  const entries = [...runbook.matchAll(/^## (\w+)$/gm)].map(([, name]) => name as string)
  expect(entries.sort()).toEqual(rules.map(({ alert }) => alert).sort())
  for (const { alert, annotations, labels: own } of rules) {
    expect(annotations.runbook).toBe(`runbook.md#${alert.toLowerCase()}`)
    expect(['warning', 'critical']).toContain(own.severity)
    expect(annotations.summary).not.toBe('')
  }
  for (const [, anchor] of runbook.matchAll(/\]\(#(\w+)\)/g))
    expect(entries.map((name) => name.toLowerCase())).toContain(anchor)
})

it('names metrics in the runbook that exist', () => {
  const named = [...runbook.matchAll(/`(consensus_[a-z_]+)`/g)].map(([, name]) => name as string)
  expect(named.length).toBeGreaterThan(10)
  for (const name of named) expect(metrics).toContain(name)
})
