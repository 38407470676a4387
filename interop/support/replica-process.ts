// One replica of a server, as `valetkey serve` starts it, on whatever DATABASE_URL says.
import { createJsonLog, startServer } from '@valetkey/broker/host'

const running = await startServer({
  environment: process.env,
  dataDir: process.env.DATA_DIR ?? '',
  log: createJsonLog('stderr', 'warn'),
})
process.stdout.write(`ready ${running.url}\n`)
process.on('SIGTERM', () => {
  void running.close().then(() => process.exit(0))
})
