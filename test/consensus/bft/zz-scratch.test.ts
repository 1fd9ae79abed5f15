import { it } from 'vitest'
import { run } from './pbft-random-run.js'
import { ByzantineCluster } from './cluster.js'
it('x', () => { 
  const [a, b] = (process.env.SEEDS ?? '1-10').split('-').map(Number) as [number, number]
  let fails = 0, views = 0, ev = 0, inst = 0, ent = 0
  const liars = process.env.LIARS === '1'
  for (let s = a; s <= b && fails < 3; s++) { 
  const t0 = Date.now()
  try { const c = run({ seed: s, liars }); views += Math.max(...c.honest.map(n => n.core.status().view ?? 0)); ev += c.watch.evidence.length; inst += c.counts.installs; ent += c.watch.log.length
   if (Date.now() - t0 > 1500) console.log('slow', s, Date.now() - t0, c.nowMs, c.counts) } catch (e) { fails++; console.log(s, (e as Error).stack) } }
  console.log({ fails, views, ev, inst, ent })
}, 600000)
