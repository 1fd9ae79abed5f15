/** The thread that runs seeds for `seed-workers.ts`: a task in, a report out. */
import { parentPort } from 'node:worker_threads'
import { reportSeed } from './seed-report.js'
import type { WorkerAnswer, WorkerTask } from './seed-workers.js'

parentPort?.on('message', ({ withTrace, ...task }: WorkerTask) => {
  const answer = (message: WorkerAnswer) => parentPort?.postMessage(message)
  reportSeed(task, withTrace).then(
    (report) => answer({ report }),
    (error: unknown) => answer({ failure: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
  )
})
