// A broker as `valetkey serve` starts it, on whatever DATABASE_URL says.
import { createJsonLog, startServer } from '@valetkey/broker/host'

const { DATA_DIR = '' } = process.env
const running = await startServer({
  environment: process.env,
  dataDir: DATA_DIR,
  log: createJsonLog('stderr', process.env.LOG_LEVEL === 'info' ? 'info' : 'warn'),
})
process.stdout.write(`ready ${running.url}\n`)
process.on('SIGTERM', () => {
  void running.close().then(() => process.exit(0))
})
