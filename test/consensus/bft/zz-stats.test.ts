import { it } from 'vitest'
import { begun, isType } from './hotstuff-harness.js'
it('stats', () => {
    const cluster = begun({ count: 4 })
    cluster.runFor(1000)
    cluster.onDeliver = (f, t, m) => { 
      if (isType(m, 'hsProposal')) console.log(cluster.nowMs.toFixed(1), f, t, m.header.round, m.header.kind, m.header.index, m.header.height)
      else if (!isType(m, 'hsVote')) console.log(cluster.nowMs.toFixed(1), f, t, m.type)
     }
    const n = cluster.submit(); cluster.runFor(1000)
})
