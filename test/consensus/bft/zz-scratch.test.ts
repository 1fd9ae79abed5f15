import { it } from 'vitest'
import { run } from './pbft-random-run.js'
import { ByzantineCluster } from './cluster.js'
it('x', () => { for (const s of (process.env.SEEDS ?? '1').split(',')) { 
  let cl: ByzantineCluster | null = null
  const orig = ByzantineCluster.prototype.runFor
  ByzantineCluster.prototype.runFor = function (this: ByzantineCluster, ...a) { cl = this; return orig.apply(this, a) }
  try { run(Number(s)) } catch (e) { console.log(s, (e as Error).stack)
   const c = cl as unknown as ByzantineCluster
   console.log(JSON.stringify(c.rejected.slice(-6)), c.counts)
   for (const n of c.nodes.values()) console.log(n.id, n.core.deadline(), c.nowMs, n.demandMs, n.core.status().mayVote)
   c.onDeliver = (f, t, m) => { const i = c.node(t).core.interest(f, m); console.log(c.nowMs.toFixed(1), f, t, m.type, i, i === 'verify' ? c.node(t).core.checks(f, m)?.length ?? 'null' : '') }
   c.runFor(Number(process.env.MS ?? 500))
  } finally { ByzantineCluster.prototype.runFor = orig } } }, 600000)
